//! A member's machine: the runtime, with files that take their time to reach the disk. When the member alone crashes, what was synced of
//! them is kept, and what was not is torn.
//!
//! The runtime tears files when all of it loses power, but of one that is opened again it shows what was synced and nothing else. And its
//! syncs take no time: nobody who writes and then syncs would ever crash in between.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use commonware_runtime::deterministic::{self, Context};
use commonware_runtime::telemetry::metrics::{Metric, Registered};
use commonware_runtime::{
    Blob, BlobVersion, Clock, Error, Handle, IoBufs, IoBufsMut, Metrics, Name, ReadOptions, Spawner, Storage,
    Supervisor, WriteOptions, signal,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use rand_core::{TryCryptoRng, TryRng};

use super::disk::{Pending, SECTOR, tear};

/// The runtime as a member's engine has it.
pub(super) struct Machine {
    runtime: Context,
    drive: Arc<Drive>,
}

/// What syncs files, as long as the machine runs.
struct Drive {
    runtime: Context,
    files: Files,
}

/// What a member's files were told and is not synced; kept by the world, which crashes them.
#[derive(Clone)]
pub(super) struct Files(Arc<Mutex<Unsynced>>);

struct Unsynced {
    random: ChaCha8Rng,
    /// The longest that a sync takes, in milliseconds.
    slowest: u32,
    logs: BTreeMap<FileName, Arc<Log>>,
}

/// A file's name in its partition.
type FileName = (String, Vec<u8>);

/// What was done to a file since it was opened, as far as it is not synced.
#[derive(Default)]
struct Log {
    pending: Mutex<Vec<Pending>>,
    /// Held by every sync under way that nobody has to wait for.
    syncing: Arc<()>,
}

impl Files {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let slowest = [1, 5, 20][random.next_u32() as usize % 3];
        Self(Arc::new(Mutex::new(Unsynced { random, slowest, logs: BTreeMap::new() })))
    }

    /// Tears what was not synced. The machine has stopped, and nobody has any of its files open.
    pub(super) async fn crash(&self, runtime: &Context, seed: u64) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // Whoever promises nothing of a write that was not synced promises nothing of any byte.
        let grain = [1, 64, SECTOR][random.next_u32() as usize % 3];
        let logs = std::mem::take(&mut self.lock().logs);
        for ((partition, name), log) in logs {
            let pending = std::mem::take(&mut *log.lock());
            if pending.is_empty() {
                continue;
            }
            // The runtime shows what was synced.
            let opened = runtime.open_versioned(&partition, &name, ANY_VERSION).await;
            let (blob, size, _) = opened.expect("what was synced is there, and nobody has it open");
            let read = blob.read_at(0, size as usize, ReadOptions::default()).await.expect("it reads");
            let mut image = read.coalesce().as_ref().to_vec();
            tear(&mut image, &pending, grain, &mut random);
            blob.resize(image.len() as u64).await.expect("the runtime's files work");
            blob.write_at(0, image, WriteOptions::default()).await.expect("the runtime's files work");
            blob.sync().await.expect("the runtime's files work");
        }
    }

    /// Whether an open file holds what is not synced.
    pub(super) fn are_written(&self) -> bool {
        let is_written = |log: &Arc<Log>| {
            Arc::strong_count(log) > 1 && log.lock().iter().any(|one| !matches!(one, Pending::Synced(..)))
        };
        self.lock().logs.values().any(is_written)
    }

    /// How long the next sync takes.
    fn delay(&self) -> Duration {
        let mut unsynced = self.lock();
        let most = unsynced.slowest + 1;
        Duration::from_millis((unsynced.random.next_u32() % most).into())
    }

    fn is_syncing(&self, name: &FileName) -> bool {
        self.lock().logs.get(name).is_some_and(|log| Arc::strong_count(&log.syncing) > 1)
    }

    fn lock(&self) -> MutexGuard<'_, Unsynced> {
        self.0.lock().expect("no panic holds the files")
    }
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<Pending>> {
        self.pending.lock().expect("no panic holds the log")
    }
}

impl Machine {
    /// A machine that runs until what `runtime` belongs to ends.
    pub(super) fn new(runtime: Context, files: Files) -> Self {
        let drive = Arc::new(Drive { runtime: runtime.child("drive"), files });
        Self { runtime, drive }
    }
}

impl Storage for Machine {
    type Blob = File;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(File, u64, BlobVersion), Error> {
        let key = (partition.to_owned(), name.to_vec());
        while self.drive.files.is_syncing(&key) {
            self.runtime.sleep(Duration::from_millis(1)).await;
        }
        let (blob, size, version) = self.runtime.open_versioned(partition, name, versions).await?;
        // What is read from here on was synced; what was not is gone.
        let log = Arc::<Log>::default();
        self.drive.files.lock().logs.insert(key, log.clone());
        Ok((File { blob: Arc::new(blob), log, drive: self.drive.clone() }, size, version))
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        self.runtime.remove(partition, name).await?;
        let is_removed = |(of, called): &FileName| of == partition && name.is_none_or(|name| called == name);
        self.drive.files.lock().logs.retain(|file, _| !is_removed(file));
        Ok(())
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        self.runtime.scan(partition).await
    }
}

/// An open file.
pub(super) struct File {
    blob: Arc<deterministic::Blob>,
    log: Arc<Log>,
    drive: Arc<Drive>,
}

impl Blob for File {
    async fn read_at_buf(
        &self,
        offset: u64,
        len: usize,
        bufs: impl Into<IoBufsMut> + Send,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        self.blob.read_at_buf(offset, len, bufs, options).await
    }

    async fn read_at(&self, offset: u64, len: usize, options: ReadOptions) -> Result<IoBufsMut, Error> {
        self.blob.read_at(offset, len, options).await
    }

    async fn write_at(&self, offset: u64, bufs: impl Into<IoBufs> + Send, options: WriteOptions) -> Result<(), Error> {
        let (data, start) = (bufs.into().coalesce(), offset as usize);
        let (bytes, end) = (data.as_ref().to_vec(), start + data.as_ref().len());
        self.blob.write_at(offset, data.clone(), options.without(WriteOptions::SYNC)).await?;
        self.log.lock().push(Pending::Write(start, bytes.clone()));
        if options.contains(WriteOptions::SYNC) {
            self.drive.runtime.sleep(self.drive.files.delay()).await;
            self.blob.write_at(offset, data, options).await?;
            let mut pending = self.log.lock();
            // Nothing is ever seen of what it overwrites whole.
            pending.retain(|one| match one {
                Pending::Write(at, data) | Pending::Synced(at, data) => *at < start || at + data.len() > end,
                Pending::Length(_) => true,
            });
            pending.push(Pending::Synced(start, bytes));
        }
        Ok(())
    }

    async fn resize(&self, len: u64) -> Result<(), Error> {
        self.blob.resize(len).await?;
        self.log.lock().push(Pending::Length(len as usize));
        Ok(())
    }

    async fn sync(&self) -> Result<(), Error> {
        self.drive.runtime.sleep(self.drive.files.delay()).await;
        sync(&self.blob, &self.log).await
    }

    async fn start_sync(&self) -> Handle<()> {
        let (blob, log, delay) = (self.blob.clone(), self.log.clone(), self.drive.files.delay());
        let under_way = log.syncing.clone();
        // It goes on whatever becomes of who asked for it.
        let task = self.drive.runtime.child("sync").spawn(move |runtime| async move {
            runtime.sleep(delay).await;
            let synced = sync(&blob, &log).await;
            drop(under_way);
            synced
        });
        Handle::from_future(async move { task.await? })
    }
}

async fn sync(blob: &deterministic::Blob, log: &Log) -> Result<(), Error> {
    match blob.sync().await {
        // It was removed meanwhile, which a real disk does not mind.
        Err(Error::BlobMissing(..)) => {}
        result => result?,
    }
    log.lock().clear();
    Ok(())
}

impl Supervisor for Machine {
    fn name(&self) -> Name {
        self.runtime.name()
    }

    fn child(&self, label: &'static str) -> Self {
        Self { runtime: self.runtime.child(label), drive: self.drive.clone() }
    }

    fn with_attribute(self, key: &'static str, value: impl Display) -> Self {
        Self { runtime: self.runtime.with_attribute(key, value), ..self }
    }
}

impl Spawner for Machine {
    fn shared(self, blocking: bool) -> Self {
        Self { runtime: self.runtime.shared(blocking), ..self }
    }

    fn dedicated(self) -> Self {
        Self { runtime: self.runtime.dedicated(), ..self }
    }

    fn spawn<F, Fut, T>(self, task: F) -> Handle<T>
    where
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let Self { runtime, drive } = self;
        runtime.spawn(move |runtime| task(Self { runtime, drive }))
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.runtime.stop(value, timeout).await
    }

    fn stopped(&self) -> signal::Signal {
        self.runtime.stopped()
    }
}

impl Metrics for Machine {
    fn register<N: Into<String>, H: Into<String>, M: Metric>(&self, name: N, help: H, metric: M) -> Registered<M> {
        self.runtime.register(name, help, metric)
    }

    fn encode(&self) -> String {
        self.runtime.encode()
    }
}

impl Clock for Machine {
    fn current(&self) -> SystemTime {
        self.runtime.current()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.runtime.sleep(duration)
    }

    fn sleep_until(&self, deadline: SystemTime) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.runtime.sleep_until(deadline)
    }
}

impl governor::clock::Clock for Machine {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.runtime.current()
    }
}

impl governor::clock::ReasonablyRealtime for Machine {}

impl TryRng for Machine {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.runtime.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.runtime.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.runtime.try_fill_bytes(bytes)
    }
}

impl TryCryptoRng for Machine {}

const ANY_VERSION: RangeInclusive<BlobVersion> = BlobVersion::new(0)..=BlobVersion::new(u16::MAX);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use commonware_runtime::Runner as _;

    use super::*;

    const OLD: &[u8] = &[1; 2_000];
    const NEW: &[u8] = &[2; 1_500];

    /// What crashes of many seeds leave of a file that held [`OLD`], synced, after `work`.
    fn left(work: impl AsyncFn(&Machine, &File)) -> BTreeSet<Option<Vec<u8>>> {
        let left = |seed| {
            deterministic::Runner::seeded(seed).start(async |runtime| {
                let files = Files::new(seed);
                let (started, machine) = tokio::sync::oneshot::channel();
                let (copy, member) = (files.clone(), runtime.child("member"));
                let member = member.spawn(|runtime| async {
                    let _ = started.send(Machine::new(runtime, copy));
                    std::future::pending::<()>().await;
                });
                let machine = machine.await.unwrap();
                let (file, _) = machine.open("part", b"file").await.unwrap();
                file.write_at(0, OLD, WriteOptions::default()).await.unwrap();
                file.sync().await.unwrap();
                work(&machine, &file).await;
                drop((machine, file));
                member.abort();
                let _ = member.await;
                runtime.sleep(Duration::from_millis(1)).await;
                files.crash(&runtime, seed).await;
                // A crash once more: there is nothing left to tear.
                files.crash(&runtime, seed + 1).await;
                if runtime.scan("part").await.map_or(true, |names| names.is_empty()) {
                    return None;
                }
                let (file, size) = runtime.open("part", b"file").await.unwrap();
                let read = file.read_at(0, size as usize, ReadOptions::default()).await.unwrap();
                Some(read.coalesce().as_ref().to_vec())
            })
        };
        (0..200).map(left).collect()
    }

    async fn write(file: &File, offset: u64, data: &'static [u8]) {
        file.write_at(offset, data, WriteOptions::default()).await.unwrap();
    }

    #[test]
    fn what_was_synced_is_all_there() {
        let whole = [&OLD[..1_000], NEW].concat();
        let synced = left(async |_, file| {
            write(file, 1_000, NEW).await;
            file.sync().await.unwrap();
        });
        assert_eq!(synced, BTreeSet::from([Some(whole.clone())]));
        let started = left(async |_, file| {
            write(file, 1_000, NEW).await;
            file.start_sync().await.await.unwrap();
        });
        assert_eq!(started, BTreeSet::from([Some(whole.clone())]));
        let alone = left(async |_, file| {
            file.write_at(1_000, NEW, WriteOptions::SYNC).await.unwrap();
        });
        assert_eq!(alone, BTreeSet::from([Some(whole)]));
    }

    #[test]
    fn of_what_was_not_synced_any_part_is_there_and_nothing_else_is_changed() {
        let left = left(async |_, file| write(file, 1_000, NEW).await);
        let whole = [&OLD[..1_000], NEW].concat();
        assert!(left.contains(&Some(OLD.to_vec())) && left.contains(&Some(whole.clone())));
        assert!(left.len() > 50, "{}", left.len());
        for image in left.into_iter().flatten() {
            assert!(image.len() >= OLD.len() && image.len() <= whole.len());
            // Past what there was, what is missing is zero.
            let may_be = |at: usize, byte: u8| byte == whole[at] || byte == *OLD.get(at).unwrap_or(&0);
            assert!(image.iter().enumerate().all(|(at, byte)| may_be(at, *byte)));
        }
    }

    #[test]
    fn a_write_synced_by_itself_stays_and_syncs_no_other() {
        let left = left(async |_, file| {
            write(file, 0, NEW).await;
            file.write_at(500, &[3; 100], WriteOptions::SYNC).await.unwrap();
        });
        assert!(left.len() > 50, "{}", left.len());
        for image in left.into_iter().flatten() {
            assert!(image[500..600].iter().all(|byte| *byte == 3) && image[1_500..] == OLD[1_500..]);
        }
    }

    #[test]
    fn a_sync_that_was_asked_for_goes_on_by_itself_but_takes_its_time() {
        let gone = left(async |_, file| {
            write(file, 0, NEW).await;
            drop(file.start_sync().await);
        });
        assert!(gone.len() > 50, "{}", gone.len());
        let done = left(async |machine, file| {
            write(file, 0, NEW).await;
            drop(file.start_sync().await);
            machine.sleep(Duration::from_millis(50)).await;
        });
        assert_eq!(done, BTreeSet::from([Some([NEW, &OLD[NEW.len()..]].concat())]));
    }

    #[test]
    fn who_opens_a_file_again_finds_what_a_sync_under_way_leaves() {
        deterministic::Runner::default().start(async |runtime| {
            let files = Files::new(0);
            let machine = Machine::new(runtime, files.clone());
            for round in 1..20 {
                let (file, size) = machine.open("part", b"file").await.unwrap();
                assert_eq!(size, round - 1);
                write(&file, size, b"a").await;
                drop(file.start_sync().await);
            }
        });
    }

    #[test]
    fn a_length_stays_or_not_and_what_was_removed_stays_so() {
        let shorter = left(async |_, file| file.resize(10).await.unwrap());
        assert_eq!(shorter, BTreeSet::from([Some(OLD.to_vec()), Some(OLD[..10].to_vec())]));
        let longer = left(async |_, file| file.resize(2_001).await.unwrap());
        assert_eq!(longer, BTreeSet::from([Some(OLD.to_vec()), Some([OLD, &[0]].concat())]));
        let synced = left(async |_, file| {
            file.resize(10).await.unwrap();
            file.sync().await.unwrap();
        });
        assert_eq!(synced, BTreeSet::from([Some(OLD[..10].to_vec())]));
        for name in [None, Some(b"file".as_slice())] {
            let removed = left(async |machine, file| {
                write(file, 0, NEW).await;
                drop(file.start_sync().await);
                machine.remove("part", name).await.unwrap();
            });
            assert_eq!(removed, BTreeSet::from([None]));
            let anew = left(async |machine, file| {
                write(file, 0, NEW).await;
                machine.remove("part", name).await.unwrap();
                drop(machine.open("part", b"file").await.unwrap());
                write(file, 0, NEW).await;
            });
            assert_eq!(anew, BTreeSet::from([Some(vec![])]));
        }
    }
}
