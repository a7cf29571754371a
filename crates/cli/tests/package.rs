//! The Debian package holds what it says; dpkg installs, upgrades, removes and purges it, and nothing of a member's goes with it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "shared/ports.rs"]
mod ports;

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn text(output: Output) -> String {
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_package_holds_the_program_its_service_and_its_pages_and_is_installed() {
    let has = |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !has("dpkg-deb") || !has("objcopy") {
        eprintln!("left out: a package is built on Debian, with dpkg and binutils");
        return;
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let place = tempfile::tempdir().unwrap();
    // Whatever the builder's own files may not be to others, the package's are.
    let mut build = Command::new("sh");
    build.args(["-c", "umask 077; exec \"$@\"", "sh"]).arg(root.join("packaging/deb/build.sh"));
    let package = text(run(build.arg(env!("CARGO_BIN_EXE_sotto")).arg(place.path())));
    let tree = place.path().join("tree");
    holds(&root, &package, &tree);
    match Machine::new(place.path()) {
        Ok(machine) => lives(&machine, &package, &tree),
        Err(why) => eprintln!("left out: the package is not installed here: {why}"),
    }
}

/// Unpacks the package.
fn holds(root: &Path, package: &str, tree: &Path) {
    let field = |name: &str| text(run(Command::new("dpkg-deb").arg("--field").arg(package).arg(name)));
    assert_eq!((field("Package"), field("Version")), ("sotto".into(), env!("CARGO_PKG_VERSION").into()));
    assert!(field("Depends").starts_with("libc6 (>= 2."));
    for line in text(run(Command::new("dpkg-deb").arg("--contents").arg(package))).lines() {
        let (mode, path) = (&line[..10], line.rsplit(' ').next().unwrap());
        let usual = match path {
            "./etc/sotto/" => "drwx------",
            "./usr/bin/sotto" => "-rwxr-xr-x",
            path if path.ends_with('/') => "drwxr-xr-x",
            _ => "-rw-r--r--",
        };
        assert!(mode == usual && line.contains(" root/root "), "{line}");
    }

    run(Command::new("dpkg-deb").arg("--raw-extract").arg(package).arg(tree));
    let version = text(run(Command::new(tree.join("usr/bin/sotto")).arg("--version")));
    assert_eq!(version, format!("sotto {}", env!("CARGO_PKG_VERSION")));
    for page in ["sotto.1.gz", "sotto-node-run.1.gz", "sotto-verify.1.gz"] {
        assert!(tree.join("usr/share/man/man1").join(page).exists(), "{page}");
    }
    assert!(tree.join("usr/share/sotto/prometheus/sottovoce.rules.yml").exists());
    let pages = tree.join("usr/share/doc/sotto");
    for page in ["docs/operator/README.md", "docs/spec/receipt.md", "LICENSE-MIT", "copyright"] {
        assert!(pages.join(page).exists(), "{page}");
    }
    let lost = lost_links(&pages);
    assert!(lost.is_empty(), "{lost:#?}");
    // The unit starts what the package brings, where the page says.
    let unit = fs::read_to_string(tree.join(UNIT)).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/sotto --home /var/lib/sotto node run\n"));
    let operator = fs::read_to_string(root.join("docs/operator/README.md")).unwrap();
    assert!(operator.contains("packaging/deb/build.sh") && operator.contains("/etc/sotto/passphrase.cred"));
    for script in ["postinst", "prerm", "postrm"] {
        run(Command::new("sh").arg("-n").arg(tree.join("DEBIAN").join(script)));
    }
}

/// What pages below a directory name and is not there.
fn lost_links(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut lost = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            lost.extend(lost_links(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&entry).unwrap();
            let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
            let named = links.filter(|link| !link.is_empty() && !link.contains("://"));
            lost.extend(
                named.filter(|link| !directory.join(link).exists()).map(|link| (entry.clone(), link.to_owned())),
            );
        }
    }
    lost
}

/// Installs the package, founds a member's home with it, upgrades, removes, installs it again and purges it.
fn lives(machine: &Machine, package: &str, tree: &Path) {
    // Other packages' triggers, such as that of man-db, are none of this one's.
    let dpkg = |what: &str| machine.run(&format!("dpkg --force-unsafe-io --no-triggers {what}"));
    fs::copy(package, machine.upper.join("first.deb")).unwrap();
    machine.next(tree, "second", "99.0.0");
    // Nobody runs this one.
    fs::write(tree.join("usr/bin/sotto"), "#!/bin/sh\n").unwrap();
    machine.next(tree, "third", "99.1.0");

    // Where systemd does not run, as in an image that is being made.
    machine.run("rm -rf /run/systemd/system");
    dpkg("--install /first.deb");
    assert_eq!(machine.run("stat -c '%U:%G %a' /etc/sotto /var/lib/sotto"), "root:root 700\nsotto:sotto 700");
    let user = machine.run("getent passwd sotto");
    let fields: Vec<&str> = user.split(':').collect();
    assert_eq!(fields[4..], ["Sottovoce node", "/var/lib/sotto", "/usr/sbin/nologin"]);
    assert!((1..1000).contains(&fields[2].parse::<u32>().unwrap()), "{user}");
    assert_eq!(machine.run(&format!("stat -c '%U:%G %a' /{UNIT}")), "root:root 644");
    match machine.answer("command -v systemd-analyze") {
        Ok(_) => {
            let told = machine.run("systemd-analyze verify --man=no --recursive-errors=no sotto.service");
            // It may have found other units that this machine has.
            assert!(!told.contains("sotto"), "{told}");
        }
        Err(_) => eprintln!("left out: systemd, which verifies the unit, is not here"),
    }

    // What an operator does then.
    let by_sotto =
        |what: &str| machine.run(&format!("cd / && setpriv --reuid sotto --regid sotto --clear-groups {what}"));
    let sotto = "sotto --home /var/lib/sotto --passphrase-file /var/lib/sotto/passphrase";
    machine.run("printf 'correct horse battery staple' >/var/lib/sotto/passphrase && chown sotto:sotto /var/lib/sotto/passphrase");
    machine.run("umask 077; echo sealed >/etc/sotto/passphrase.cred");
    let own = "/etc/systemd/system/sotto.service.d";
    machine.run(&format!("mkdir -p {own} && printf '[Service]\\nMemoryMax=4G\\n' >{own}/own.conf"));
    by_sotto(&format!("{sotto} init --member st-anna --consortium Packages --listen {}", ports::free()));
    by_sotto(&format!("{sotto} node check"));
    let wants = "/etc/systemd/system/multi-user.target.wants/sotto.service";
    machine.run(&format!("mkdir -p /etc/systemd/system/multi-user.target.wants && ln -s /{UNIT} {wants}"));
    // Names, owners, modes and contents.
    let kept = || {
        let named = "find /etc/sotto /var/lib/sotto -printf '%p %u:%g %m %l\\n' | sort";
        let told = "find /etc/sotto /var/lib/sotto /etc/systemd/system/sotto.service.d -type f -print0 | sort -z | xargs -0 sha256sum";
        machine.run(&format!("{named}; {told}; getent passwd sotto"))
    };
    let before = kept();
    assert!(before.contains("/var/lib/sotto/node/keys.sealed") && before.contains("/etc/sotto/passphrase.cred"));

    // An upgrade asks nothing, and changes nothing of theirs.
    dpkg("--install /second.deb");
    assert_eq!(machine.run("dpkg-query -W -f '${Status} ${Version}' sotto"), "install ok installed 99.0.0");
    assert_eq!(kept(), before);
    machine.run(&format!("test -L {wants}"));
    by_sotto(&format!("{sotto} node check"));

    // Where it runs, it is told; the node goes on as it is.
    machine.systemd(true);
    let told = dpkg("--install /third.deb");
    assert!(told.contains("the node still runs version 99.0.0") && told.contains("systemctl restart sotto"), "{told}");
    assert_eq!(machine.asked(), ["daemon-reload", "daemon-reload", "--quiet is-active sotto.service"]);
    assert_eq!(kept(), before);
    // And back.
    machine.systemd(false);
    let told = dpkg("--install /second.deb");
    assert!(!told.contains("still runs"), "{told}");
    machine.asked();

    // Removed, it stops; all that is a member's stays.
    dpkg("--remove sotto");
    assert_eq!(machine.asked(), ["--no-reload disable --now sotto.service", "daemon-reload"]);
    assert_eq!(kept(), before);
    assert!(
        machine.answer(&format!("test -e /usr/bin/sotto -o -e /{UNIT} -o -e /usr/lib/sysusers.d/sotto.conf")).is_err()
    );
    dpkg("--install /second.deb");
    assert_eq!(kept(), before, "and is found again");
    by_sotto(&format!("{sotto} node check"));
    let told = dpkg("--purge sotto");
    assert!(told.contains("/var/lib/sotto") && told.contains("/etc/sotto") && told.contains("stay"), "{told}");
    assert_eq!(kept(), before);
    assert!(machine.answer("dpkg-query -W sotto").is_err());

    // Without systemd's programs the user is the same; and of a node that never was nothing stays.
    machine.systemd(false);
    machine.run("userdel sotto && rm -rf /usr/bin/systemd-sysusers /var/lib/sotto /etc/sotto /run/systemd/system");
    dpkg("--install /third.deb");
    let again = machine.run("getent passwd sotto");
    assert_eq!(again.split(':').skip(4).collect::<Vec<_>>(), fields[4..], "{again}");
    assert_eq!(machine.run("stat -c '%U:%G %a' /etc/sotto /var/lib/sotto"), "root:root 700\nsotto:sotto 700");
    let told = dpkg("--purge sotto");
    assert!(!told.contains("stay"), "{told}");
    assert!(machine.answer("test -e /var/lib/sotto -o -e /etc/sotto").is_err());
}

/// A machine that is this one, but for what is written there: that goes into a directory, and stays there from one command to the next.
/// Each runs in a mount namespace of its own, so nothing is ever mounted here.
struct Machine {
    /// What was written.
    upper: PathBuf,
    place: PathBuf,
}

impl Machine {
    /// # Errors
    /// Why it cannot be had.
    fn new(place: &Path) -> Result<Self, String> {
        let machine = Self { upper: place.join("upper"), place: place.to_owned() };
        for name in ["upper", "work", "root"] {
            let made = place.join(name);
            fs::create_dir(&made).unwrap();
            // Users of all kinds go through that machine's root.
            fs::set_permissions(&made, fs::Permissions::from_mode(0o755)).unwrap();
        }
        if text(run(Command::new("id").arg("-u"))) != "0" {
            return Err("that takes root".into());
        }
        machine.answer("dpkg-query -W libc6 && command -v setpriv getent stat find")?;
        let free = "! getent passwd sotto && ! test -e /var/lib/sotto -o -e /etc/sotto -o -e /usr/bin/sotto";
        machine.answer(free).map_err(|told| format!("this machine has a sotto of its own {told}"))?;
        Ok(machine)
    }

    /// What a shell's command prints there on both, or says when it fails.
    fn answer(&self, command: &str) -> Result<String, String> {
        const ENTER: &str = "mount -t overlay -o \"lowerdir=/,upperdir=$1/upper,workdir=$1/work\" overlay \"$1/root\"
            mount --rbind /proc \"$1/root/proc\"
            mount --rbind /dev \"$1/root/dev\"
            exec chroot \"$1/root\" sh -c \"$2\"";
        let mut enter = Command::new("unshare");
        enter.args(["--mount", "--propagation", "private", "sh", "-ec", ENTER, "sh"]).arg(&self.place);
        enter
            .arg(format!("exec 2>&1; {command}"))
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        let output = enter.output().map_err(|error| format!("unshare: {error}"))?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    fn run(&self, command: &str) -> String {
        self.answer(command).unwrap_or_else(|told| panic!("{command}: {told}"))
    }

    /// The same package under another version, as `NAME.deb` there.
    fn next(&self, tree: &Path, name: &str, version: &str) {
        let control = tree.join("DEBIAN/control");
        let text = fs::read_to_string(&control).unwrap();
        let lines = text.lines().map(|line| match line.strip_prefix("Version: ") {
            Some(_) => format!("Version: {version}\n"),
            None => format!("{line}\n"),
        });
        fs::write(&control, lines.collect::<String>()).unwrap();
        let package = self.upper.join(format!("{name}.deb"));
        run(Command::new("dpkg-deb").args(["--root-owner-group", "-Znone", "--build"]).arg(tree).arg(package));
    }

    /// Has the machine look as if systemd ran there, with a node that is active or not: what it is asked is written down.
    fn systemd(&self, active: bool) {
        let status = u8::from(!active);
        let script = format!("#!/bin/sh\\necho \"$*\" >>/asked\\ncase \"$*\" in *is-active*) exit {status};; esac\\n");
        self.run("mkdir -p /run/systemd/system");
        self.run(&format!("printf '{script}' >/usr/local/sbin/systemctl && chmod 755 /usr/local/sbin/systemctl"));
    }

    /// What systemd was asked since.
    fn asked(&self) -> Vec<String> {
        self.run("cat /asked; rm /asked").lines().map(str::to_owned).collect()
    }
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const UNIT: &str = "usr/lib/systemd/system/sotto.service";
