//! Where the read model is kept.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Where the read model is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadModel {
    /// The database.
    pub database: Database,
    /// A file that holds the password for PostgreSQL; relative to the configuration file.
    pub password_file: Option<PathBuf>,
}

/// Which database holds the read model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Database {
    /// A SQLite file in the node's directory.
    #[default]
    Sqlite,
    /// There is no read model.
    None,
    /// PostgreSQL.
    Postgres(PostgresUrl),
}

impl TryFrom<String> for Database {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "sqlite" => Ok(Self::Sqlite),
            "none" => Ok(Self::None),
            url => url.parse().map(Self::Postgres),
        }
    }
}

/// Where a PostgreSQL is: `postgres://user@host/database`, without a password, which would be read by whoever reads the configuration.
/// Over a network it is TLS that proves the server's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl PostgresUrl {
    /// What sqlx makes of it, and of the environment (`PGPASSFILE` and its like).
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn options(&self) -> Result<PgConnectOptions, String> {
        let options = PgConnectOptions::from_str(&self.0).map_err(|error| error.to_string())?;
        if is_local(&options) {
            return Ok(options);
        }
        match options.get_ssl_mode() {
            // What it is unless something was said.
            PgSslMode::VerifyFull | PgSslMode::Prefer => Ok(options.ssl_mode(PgSslMode::VerifyFull)),
            _ => Err("a database on another machine is reached by `sslmode=verify-full` only".into()),
        }
    }
}

impl FromStr for PostgresUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "write `sqlite`, `none`, or postgres://user@host/database".to_owned();
        let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest =
            rest.filter(|_| text.len() <= MAX_URL && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
        let rest = rest.ok_or_else(form)?;
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = address.split('/').next().unwrap_or_default();
        if authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) {
            return Err("it holds a password: put that into the file that `read_model.password_file` names".into());
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(form)?;
            if key == "password" {
                return Err("it holds a password: put that into the file that `read_model.password_file` names".into());
            }
            if !PARAMETERS.contains(&key) {
                return Err(format!("`{key}` is not known; known are {}", PARAMETERS.join(", ")));
            }
            if key == "sslmode" && !["disable", "verify-full"].contains(&value) {
                return Err("`sslmode` is `verify-full`, or `disable` on this machine".into());
            }
        }
        let url = Self(text.to_owned());
        url.options().map(|_| url)
    }
}

/// By a socket, or on this machine.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let loopback = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    options.get_socket().is_some() || host.starts_with('/') || host == "localhost" || loopback
}

/// Longest URL, bytes.
const MAX_URL: usize = 1024;
/// What may follow the `?`.
const PARAMETERS: [&str; 10] = [
    "host",
    "port",
    "dbname",
    "user",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options[search_path]",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Database, String> {
        Database::try_from(text.to_owned())
    }

    #[test]
    fn a_database_is_named_without_its_password() {
        assert_eq!(parse("sqlite").unwrap(), Database::Sqlite);
        assert_eq!(parse("none").unwrap(), Database::None);
        for good in [
            "postgres://sotto@db.example/sotto",
            "postgresql://sotto@db.example:5433/sotto?sslrootcert=/etc/ca.pem&options[search_path]=st_anna",
            "postgres:///sotto?host=/run/postgresql",
            "postgres://sotto@[::1]/sotto?sslmode=disable",
        ] {
            assert!(matches!(parse(good), Ok(Database::Postgres(_))), "{good}: {:?}", parse(good));
        }
        for (bad, told) in [
            ("mysql://a/b", "write"),
            ("postgres://a:secret@db/x", "password_file"),
            ("postgres://db/x?password=secret", "password_file"),
            ("postgres://db/x?sslmode=require", "verify-full"),
            ("postgres://db/x?sslmode=disable", "verify-full"),
            ("postgres://db/x?colour=red", "colour"),
            ("postgres://db /x", "write"),
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.contains(told) && !error.contains("secret"), "{bad}: {error}");
        }
    }

    #[test]
    fn over_a_network_the_server_proves_its_name() {
        let mode = |url: &str| url.parse::<PostgresUrl>().unwrap().options().unwrap().get_ssl_mode();
        assert!(matches!(mode("postgres://sotto@db.example/sotto"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://sotto@127.0.0.1/sotto?sslmode=disable"), PgSslMode::Disable));
    }
}
