//! A PostgreSQL of the tests' own: a cluster in a temporary directory, reached by a socket there, and by no port.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// A server that ends with this.
pub(super) struct Postgres {
    directory: tempfile::TempDir,
    server: Child,
}

impl Postgres {
    /// Makes a cluster and starts its server.
    pub(super) fn start() -> Self {
        let programs = programs();
        // Not below the target directory: a socket's path has 107 bytes at most.
        let directory = tempfile::Builder::new().prefix("sotto-pg").tempdir_in("/tmp").unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (data, socket) = (directory.path().join("data"), directory.path().join("s"));
        let user = unprivileged();
        for made in [&data, &socket] {
            fs::create_dir(made).unwrap();
            fs::set_permissions(made, fs::Permissions::from_mode(0o700)).unwrap();
            if let Some((user, group)) = user {
                chown(made, Some(user), Some(group)).unwrap();
            }
        }
        let password = directory.path().join("password");
        fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = user {
            chown(&password, Some(user), Some(group)).unwrap();
        }
        let mut initdb = command(&programs, "initdb", user);
        initdb
            .args([
                "--no-sync",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--username=sotto",
                "--pgdata",
            ])
            .arg(&data)
            .arg("--pwfile")
            .arg(&password);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let mut server = command(&programs, "postgres", user);
        server.arg("-D").arg(&data).arg("-k").arg(&socket).args(["-h", "", "-F", "-c", "max_connections=60"]);
        let server = server.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut started = Self { directory, server };
        started.await_start();
        started
    }

    fn await_start(&mut self) {
        let (until, socket) = (Instant::now() + Duration::from_secs(60), self.socket().join(".s.PGSQL.5432"));
        let log = self.directory.path().join("log");
        while !(socket.exists() && fs::read_to_string(&log).unwrap_or_default().contains("ready to accept connections"))
        {
            let told = || fs::read_to_string(&log).unwrap_or_default();
            assert!(self.server.try_wait().unwrap().is_none(), "postgres has ended: {}", told());
            assert!(Instant::now() < until, "postgres does not start: {}", told());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    /// The file with its password.
    pub(super) fn password(&self) -> PathBuf {
        self.directory.path().join("password")
    }

    /// Makes a database; its URL. `name` is letters only.
    pub(super) async fn database(&self, name: &str) -> String {
        let url = |name: &str| format!("postgres://sotto@localhost/{name}?host={}", self.socket().display());
        let options: PgConnectOptions = url("postgres").parse().unwrap();
        let mut server = PgConnection::connect_with(&options.password(PASSWORD)).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut server).await.unwrap();
        server.close().await.unwrap();
        url(name)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once: nobody will read it again.
        let quit = rustix::process::Pid::from_child(&self.server);
        let _ = rustix::process::kill_process(quit, rustix::process::Signal::QUIT);
        let until = Instant::now() + Duration::from_secs(10);
        while self.server.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

const PASSWORD: &str = "of the tests alone";

fn command(programs: &Path, name: &str, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(programs.join(name));
    command.stdin(Stdio::null()).current_dir("/").env("LC_ALL", "C").env_remove("PGDATA").env_remove("PGHOST");
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command
}

/// Where PostgreSQL's programs are: in the path, or where Debian puts them.
fn programs() -> PathBuf {
    let in_path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let of_debian =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let mut of_debian: Vec<PathBuf> = of_debian.collect();
    of_debian.sort();
    let whole = |path: &&PathBuf| ["initdb", "postgres"].iter().all(|name| path.join(name).exists());
    let found = of_debian.iter().rev().chain(&in_path).find(whole);
    found
        .cloned()
        .expect("PostgreSQL's programs are not there: apt-get install postgresql, or put its bin directory into PATH")
}

/// PostgreSQL does not run as root: another user then.
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let of = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let fields: Vec<&str> = line.split(':').collect();
        Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    };
    Some(of("postgres").or_else(|| of("nobody")).expect("a user that is not root"))
}
