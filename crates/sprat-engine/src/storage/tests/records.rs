//! What is believed of what was there before, and what is recorded.

use sprat_core::bitfield::Bitfield;
use sprat_core::storage::{Files, StorageErrorKind};

use super::super::progress::Progress;
use super::*;
use crate::ledger::Ledger;
use crate::state::{Change, StateStore, Table};

/// A storage that records, as after every start of the program.
struct Run {
    bench: Bench,
    ledger: Ledger,
}

impl Run {
    fn start(home: &Arc<tempfile::TempDir>) -> Self {
        Self::with(home, sample())
    }

    fn with(home: &Arc<tempfile::TempDir>, sample: Sample) -> Self {
        let (store, damages) = StateStore::open(&home.path().join("state")).unwrap();
        assert!(damages.is_empty());
        let ledger = Ledger::start(store).unwrap();
        let config = StorageConfig { workers: 2, ledger: Some(ledger.handle()), ..StorageConfig::default() };
        Self { bench: Bench::with(sample, Arc::clone(home), config), ledger }
    }

    fn commit(&mut self, pieces: impl IntoIterator<Item = u32>, at_rest: bool) {
        let count = self.bench.sample.geometry.pieces();
        let mut have = Bitfield::new(count);
        pieces.into_iter().for_each(|piece| _ = have.insert(piece));
        let unproven = Bitfield::new(count);
        self.bench.storage.submit(StorageRequest::Commit { torrent: ID, have, unproven, at_rest });
        match self.bench.reply() {
            StorageReply::Committed { result, .. } => result.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn record(&self) -> Option<Progress> {
        let sample = &self.bench.sample;
        let key = super::super::key_of(&sample.metainfo.info_hashes);
        let bytes = self.ledger.handle().get(Table::Progress, &key).unwrap()?;
        let pieces = sample.geometry.pieces();
        Some(Progress::decode(&bytes, &key, pieces, sample.metainfo.info.files.len()).unwrap())
    }

    fn write_record(&self, record: &Progress) {
        let key = super::super::key_of(&self.bench.sample.metainfo.info_hashes);
        let value = Some(record.encode(&key));
        let change = Change { table: Table::Progress, key, value };
        self.ledger.handle().write_and_wait(vec![change]).unwrap();
    }

    fn close(mut self, files: Files) {
        self.bench.close_with(files);
        self.bench.storage.stop(PATIENCE);
    }
}

/// Pieces 0 to 2 lie in the first file alone, piece 3 in both, 4 and 5 in the last.
fn sample() -> Sample {
    Sample::new(Version::V1, BLOCK_LENGTH, &[50_000, 0, 40_000])
}

fn home() -> Arc<tempfile::TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

/// Downloads the first `pieces` pieces and commits them.
fn run_before(pieces: u32, at_rest: bool) -> Arc<tempfile::TempDir> {
    let home = home();
    let mut run = Run::start(&home);
    assert_eq!(run.bench.open().unwrap(), Found::nothing(6));
    for index in 0..pieces {
        run.bench.download(run.bench.piece(index));
    }
    run.commit(0..pieces, at_rest);
    run.close(Files::Keep);
    home
}

fn open_again(home: &Arc<tempfile::TempDir>) -> Found {
    let mut run = Run::start(home);
    let found = run.bench.open().unwrap();
    run.close(Files::Keep);
    found
}

fn list(pieces: &Bitfield) -> Vec<u32> {
    pieces.iter().collect()
}

fn first_file(home: &tempfile::TempDir) -> PathBuf {
    home.path().join("downloads").join(&sample().files[0].0)
}

#[test]
fn unchanged_files_are_believed() {
    for pieces in [1, 4, 6] {
        let found = open_again(&run_before(pieces, true));
        assert_eq!(list(&found.have), (0..pieces).collect::<Vec<_>>());
        assert!(found.unproven.is_empty() && found.unchecked.is_empty());
    }
}

#[test]
fn files_that_changed_in_any_way_are_checked() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 6] = [
        ("touched", |path| {
            fs::File::options().write(true).open(path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        }),
        ("cut", |path| fs::File::options().write(true).open(path).unwrap().set_len(49_999).unwrap()),
        ("longer", |path| fs::File::options().write(true).open(path).unwrap().set_len(50_001).unwrap()),
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("replaced with the same time", |path| {
            let modified = fs::metadata(path).unwrap().modified().unwrap();
            let bytes = fs::read(path).unwrap();
            fs::write(path.with_extension("new"), bytes).unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
            fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
        }),
        ("became a directory", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ];
    for (name, change) in changes {
        let home = run_before(6, true);
        change(&first_file(&home));
        let found = open_again(&home);
        let unchecked: &[u32] = match name {
            "cut" => &[0, 1, 2],
            "removed" | "became a directory" => &[],
            _ => &[0, 1, 2, 3],
        };
        assert_eq!(list(&found.unchecked), unchecked, "{name}");
        assert_eq!(list(&found.have), [4, 5], "{name}: the other file is what it was");
        assert!(found.unproven.is_empty());
    }
}

#[test]
fn a_new_name_of_a_file_leaves_it_believed_but_unproven() {
    let home = run_before(6, true);
    let before = fs::metadata(first_file(&home)).unwrap();
    // The clock that files are stamped with may be as coarse as 10 ms.
    while fs::metadata(first_file(&home)).unwrap().ctime_nsec() == before.ctime_nsec() {
        let link = home.path().join("link");
        fs::hard_link(first_file(&home), &link).unwrap();
        fs::remove_file(link).unwrap();
    }
    let found = open_again(&home);
    assert!(found.have.is_full() && found.unchecked.is_empty());
    assert_eq!(list(&found.unproven), [0, 1, 2, 3]);
}

#[test]
fn what_was_being_written_at_the_end_is_believed_and_to_be_proven() {
    let home = run_before(3, false);
    {
        // The same process goes on for a while and is stopped before it commits.
        let mut run = Run::start(&home);
        assert_eq!(list(&run.bench.open().unwrap().have), [0, 1, 2]);
        run.bench.download(run.bench.piece(3));
        run.bench.download(run.bench.piece(5));
        run.close(Files::Keep);
    }
    let found = open_again(&home);
    assert_eq!(list(&found.have), [0, 1, 2], "what was recorded, and nothing more");
    assert_eq!(list(&found.unproven), [0, 1, 2], "of the file that was written since");
    assert!(found.unchecked.is_empty(), "to start after a crash costs nothing");
    // And it goes on with files that it knows to be its own.
    let mut run = Run::start(&home);
    run.bench.open().unwrap();
    for piece in 3..6 {
        run.bench.download(run.bench.piece(piece));
    }
    run.bench.sample.assert_complete(&run.bench.directory());
}

#[test]
fn pieces_stay_unproven_until_somebody_says_otherwise() {
    let home = run_before(6, true);
    let mut run = Run::start(&home);
    run.bench.open().unwrap();
    let mut unproven = Bitfield::new(6);
    unproven.insert(2);
    let have = Bitfield::full(6);
    run.bench.storage.submit(StorageRequest::Commit { torrent: ID, have, unproven, at_rest: true });
    run.bench.reply();
    run.close(Files::Keep);
    assert_eq!(list(&open_again(&home).unproven), [2]);
}

#[test]
fn a_longer_file_is_checked_and_never_cut() {
    let mut bench = Bench::adopting(sample());
    bench.sample.lay_down(&bench.directory());
    let path = bench.directory().join(&bench.sample.files[2].0);
    fs::File::options().write(true).open(&path).unwrap().set_len(99_999).unwrap();
    assert!(bench.open().unwrap().unchecked.is_full());
    bench.download_all();
    for piece in bench.sample.geometry.all_pieces() {
        assert!(bench.verify(piece));
    }
    assert_eq!(fs::metadata(path).unwrap().len(), 99_999);
}

#[test]
fn files_of_others_are_read_and_never_written_without_consent() {
    let mut bench = Bench::new(sample());
    let path = bench.directory().join(&bench.sample.files[0].0);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut bytes = bench.sample.files[0].1.clone();
    bytes[20_000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(list(&bench.open().unwrap().unchecked), [0, 1, 2]);
    assert!(bench.verify(bench.piece(0)) && !bench.verify(bench.piece(1)));
    bench.download(bench.piece(5));
    assert_eq!(bench.failure(1), StorageErrorKind::Conflict);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    bench.storage.adopt(ID);
    bench.download(bench.piece(1));
    assert_ne!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_file_that_appears_after_the_start_is_not_ours() {
    let mut bench = Bench::new(sample());
    bench.open().unwrap();
    let path = bench.directory().join(&bench.sample.files[0].0);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "precious").unwrap();
    assert_eq!(bench.failure(0), StorageErrorKind::Conflict);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[test]
fn nothing_is_made_before_it_is_recorded_what_may_be_made() {
    let home = home();
    let mut run = Run::start(&home);
    run.bench.open().unwrap();
    assert!(run.record().is_some_and(|record| !record.at_rest), "there is an empty file to make");
    let without_empty_file = Sample::new(Version::V1, BLOCK_LENGTH, &[50_000]);
    run.close(Files::Keep);
    let mut run = Run::with(&home, without_empty_file);
    run.bench.open().unwrap();
    assert_eq!(run.record(), None);
    run.bench.download(run.bench.piece(0));
    assert!(run.record().is_some_and(|record| !record.at_rest && record.have.is_empty()));
}

#[test]
fn what_comes_after_the_end_is_not_ours_although_nothing_was_committed() {
    for was_stopped in [false, true] {
        let home = if was_stopped { run_before(3, false) } else { home() };
        let mut run = Run::start(&home);
        run.bench.open().unwrap();
        if was_stopped {
            // As much as was had, and what is to be written down is that nothing is being written.
            run.commit(0..3, true);
        }
        assert!(run.record().is_some_and(|record| record.at_rest == was_stopped));
        run.close(Files::Keep);
        let path = home.path().join("downloads").join(&sample().files[2].0);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "precious").unwrap();
        let mut run = Run::start(&home);
        run.bench.open().unwrap();
        assert_eq!(run.bench.failure(5), StorageErrorKind::Conflict);
        run.close(Files::Delete);
        assert_eq!(fs::read(path).unwrap(), b"precious");
    }
}

#[test]
fn a_file_that_is_made_during_the_last_commit_is_ours() {
    let home = run_before(3, true);
    let run = Run::start(&home);
    let key = super::super::key_of(&run.bench.sample.metainfo.info_hashes);
    let recorder = super::super::recorder::Recorder::new(Some(run.ledger.handle()), key);
    let before = run.record().unwrap();
    recorder.opened(before.clone(), true);
    // A worker was about to make it when the commit took note of what there was.
    let mut files = before.files.clone();
    assert_eq!(files[2].signature, None);
    files[2] = files[0];
    recorder.rest(&files, before.directories.clone(), true).unwrap();
    assert_eq!(run.record().unwrap().files, files);
    assert_eq!(run.record().unwrap().have, before.have);
}

#[test]
fn a_check_that_was_interrupted_is_made_again() {
    let home = home();
    for (path, bytes) in &sample().files {
        let path = home.path().join("downloads").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if !bytes.is_empty() {
            fs::write(path, bytes).unwrap();
        }
    }
    for _ in 0..2 {
        let mut run = Run::start(&home);
        let found = run.bench.open().unwrap();
        assert_eq!(found.unchecked.count(), 6);
        run.close(Files::Keep);
    }
    let mut run = Run::start(&home);
    run.bench.open().unwrap();
    run.commit(0..6, true);
    let empty = home.path().join("downloads").join(&sample().files[1].0);
    assert_eq!(fs::read(empty).unwrap(), b"", "it is made when it is known what there is");
    run.close(Files::Keep);
    assert_eq!(open_again(&home).have.count(), 6);
}

#[test]
fn deleting_takes_directories_that_were_made_before_the_first_commit() {
    let home = home();
    let mut run = Run::start(&home);
    run.bench.open().unwrap();
    run.bench.download(run.bench.piece(0));
    run.close(Files::Keep);
    let mut run = Run::start(&home);
    run.bench.open().unwrap();
    run.close(Files::Delete);
    assert_eq!(fs::read_dir(home.path().join("downloads")).unwrap().count(), 0);
}

#[test]
fn a_commit_before_the_first_write_says_which_directories_will_be_ours() {
    let home = home();
    // What is there is to be checked before anything is made.
    let (path, bytes) = &sample().files[0];
    let there = home.path().join("downloads").join(path);
    fs::create_dir_all(there.parent().unwrap()).unwrap();
    fs::write(&there, bytes).unwrap();
    let mut run = Run::start(&home);
    assert!(!run.bench.open().unwrap().unchecked.is_empty());
    run.commit(0..3, false);
    // Nothing more will have been written down: there will have been a crash.
    let record = run.record().unwrap();
    assert_eq!(record.directories, ["sample/d1", "sample/d2"]);
    run.bench.download(run.bench.piece(4));
    run.close(Files::Keep);
    let mut run = Run::start(&home);
    run.write_record(&record);
    run.bench.open().unwrap();
    run.close(Files::Delete);
    let left = fs::read_dir(there.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(left.collect::<Vec<_>>(), [there], "it was there before us, and nothing else");
}

#[test]
fn a_record_that_claims_too_much_is_believed_only_as_far_as_the_files_reach() {
    let home = run_before(3, true);
    let mut run = Run::start(&home);
    let mut record = run.record().unwrap();
    record.have = Bitfield::full(6);
    run.write_record(&record);
    let found = run.bench.open().unwrap();
    assert_eq!(list(&found.have), [0, 1, 2]);
}

#[test]
fn a_directory_that_is_gone_is_taken_for_a_missing_disk() {
    let home = run_before(6, true);
    fs::rename(home.path().join("downloads"), home.path().join("elsewhere")).unwrap();
    let mut run = Run::start(&home);
    assert_eq!(run.bench.open().unwrap_err().kind, StorageErrorKind::Missing);
    assert!(!run.bench.directory().exists());
    fs::rename(home.path().join("elsewhere"), home.path().join("downloads")).unwrap();
    let found = run.bench.open().unwrap();
    assert!(found.have.is_full() && found.unchecked.is_empty());
}

#[test]
fn a_directory_on_another_file_system_is_taken_for_a_missing_disk() {
    let home = run_before(6, true);
    let mut run = Run::start(&home);
    let mut record = run.record().unwrap();
    assert_eq!(record.device, fs::metadata(home.path()).unwrap().dev());
    record.device += 1;
    run.write_record(&record);
    assert!(run.bench.open().unwrap().have.is_full(), "device numbers may change, the files are the same");
    run.close(Files::Keep);

    fs::remove_dir_all(home.path().join("downloads/sample")).unwrap();
    let mut run = Run::start(&home);
    run.write_record(&record);
    assert_eq!(run.bench.open().unwrap_err().kind, StorageErrorKind::Missing);
    assert_eq!(count_files(&run.bench.directory()), 0);
}

#[test]
fn files_removed_by_their_owner_mean_a_fresh_start() {
    let home = run_before(6, true);
    fs::remove_dir_all(home.path().join("downloads/sample")).unwrap();
    assert_eq!(open_again(&home), Found::nothing(6));
}

#[test]
fn deleting_takes_what_we_have_made_and_nothing_else() {
    let home = run_before(6, true);
    let downloads = home.path().join("downloads");
    fs::write(downloads.join("sample/d0/stranger"), "precious").unwrap();
    let mut run = Run::start(&home);
    run.bench.open().unwrap();
    run.close(Files::Delete);
    assert_eq!(count_files(&downloads), 1);
    assert_eq!(fs::read(downloads.join("sample/d0/stranger")).unwrap(), b"precious");
    assert!(!downloads.join("sample/d1").exists() && !downloads.join("sample/d2").exists());
    let run = Run::start(&home);
    assert_eq!(run.record(), None);
}

#[test]
fn deleting_leaves_what_was_there_before_or_was_put_in_our_place() {
    let home = home();
    let mut run = Run::start(&home);
    run.bench.sample.lay_down(&run.bench.directory());
    run.bench.open().unwrap();
    run.commit(0..6, true);
    run.close(Files::Delete);
    sample().assert_complete(&home.path().join("downloads"));

    let home = run_before(6, true);
    let (path, new) = (first_file(&home), home.path().join("new"));
    let mut run = Run::start(&home);
    run.bench.open().unwrap();
    fs::write(&new, "precious").unwrap();
    fs::rename(new, &path).unwrap();
    run.close(Files::Delete);
    assert_eq!(fs::read(path).unwrap(), b"precious");
    assert_eq!(count_files(&home.path().join("downloads")), 1);
}

#[test]
fn deleting_leaves_what_another_torrent_uses() {
    let home = run_before(6, true);
    // Another torrent of the same files: it finds them there, and its record says so.
    let other = Sample::new(Version::V1, 2 * BLOCK_LENGTH, &[50_000, 0, 40_000]);
    let mut run = Run::with(&home, other);
    assert!(run.bench.open().unwrap().unchecked.is_full());
    run.commit(0..3, true);
    run.close(Files::Keep);
    let mut run = Run::start(&home);
    run.bench.open().unwrap();
    run.close(Files::Delete);
    sample().assert_complete(&home.path().join("downloads"));
}
