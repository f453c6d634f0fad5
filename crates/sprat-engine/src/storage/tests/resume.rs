//! What is believed of what was there before.

use std::os::unix::fs::MetadataExt as _;

use sprat_core::bitfield::Bitfield;
use sprat_wire::hash::InfoHashes;

use super::*;

fn config(home: &tempfile::TempDir) -> StorageConfig {
    StorageConfig { workers: 2, resume_dir: Some(home.path().join("state")), ..StorageConfig::default() }
}

fn sample() -> Sample {
    Sample::new(Version::V1, BLOCK_LENGTH, &[50_000, 0, 40_000])
}

/// Downloads the first `pieces` pieces, writes them down and closes.
fn run_before(pieces: u32) -> Arc<tempfile::TempDir> {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let mut bench = Bench::with(sample(), Arc::clone(&home), config(&home));
    assert_eq!(bench.open().unwrap(), Found::Nothing);
    let mut have = Bitfield::new(bench.sample.geometry.pieces());
    for index in 0..pieces {
        bench.download(bench.piece(index));
        have.insert(index);
    }
    bench.storage.submit(StorageRequest::SaveResume { torrent: ID, have });
    bench.close();
    bench.storage.stop();
    home
}

fn open_again(home: &Arc<tempfile::TempDir>) -> Found {
    let mut bench = Bench::with(sample(), Arc::clone(home), config(home));
    let found = bench.open().unwrap();
    bench.close();
    found
}

fn record_of(home: &tempfile::TempDir) -> PathBuf {
    let mut entries = fs::read_dir(home.path().join("state")).unwrap();
    let path = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none(), "nothing but the record is left");
    path
}

#[test]
fn unchanged_files_are_believed() {
    for pieces in [1, 4, 6] {
        let home = run_before(pieces);
        let Found::Resumed(have) = open_again(&home) else { panic!() };
        assert_eq!(have.iter().collect::<Vec<_>>(), (0..pieces).collect::<Vec<_>>());
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
        let home = run_before(6);
        change(&home.path().join("downloads").join(&sample().files[0].0));
        let found = open_again(&home);
        let Found::Unchecked(pieces) = found else { panic!("{name}: {found:?}") };
        // Pieces 0 to 2 lie in the first file alone, piece 3 in both.
        let expected: &[u32] = match name {
            "cut" => &[0, 1, 2, 4, 5],
            "removed" | "became a directory" => &[4, 5],
            _ => &[0, 1, 2, 3, 4, 5],
        };
        assert_eq!(pieces.iter().collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn a_longer_file_is_checked_and_never_cut() {
    let mut bench = Bench::new(sample());
    bench.sample.lay_down(&bench.directory());
    let path = bench.directory().join(&bench.sample.files[2].0);
    fs::File::options().write(true).open(&path).unwrap().set_len(99_999).unwrap();
    let Found::Unchecked(pieces) = bench.open().unwrap() else { panic!() };
    assert!(pieces.is_full());
    bench.download_all();
    for piece in bench.sample.geometry.all_pieces() {
        assert!(bench.verify(piece));
    }
    assert_eq!(fs::metadata(path).unwrap().len(), 99_999);
}

#[test]
fn a_record_with_any_bit_flipped_claims_nothing() {
    let home = run_before(3);
    let path = record_of(&home);
    let good = fs::read(&path).unwrap();
    let hashes = sample().metainfo.info_hashes;
    let decode = |bytes: &[u8]| super::super::resume::Record::decode(bytes, &hashes, 6, 3);
    assert!(decode(&good).is_some());
    for at in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[at / 8] ^= 1 << (at % 8);
        assert!(decode(&bad).is_none(), "bit {at}");
    }
    for length in 0..good.len() {
        assert!(decode(&good[..length]).is_none(), "length {length}");
    }
    let mut long = good.clone();
    long.push(0);
    assert!(decode(&long).is_none());

    for bad in [&good[..0], &good[..good.len() / 2], &long] {
        fs::write(&path, bad).unwrap();
        assert!(matches!(open_again(&home), Found::Unchecked(_)));
    }
    fs::write(&path, good).unwrap();
    assert!(matches!(open_again(&home), Found::Resumed(_)));
}

#[test]
fn a_forged_record_cannot_claim_what_the_files_cannot_hold() {
    use super::super::resume::Record;
    let home = run_before(3);
    let path = record_of(&home);
    let hashes = sample().metainfo.info_hashes;
    let mut record = Record::decode(&fs::read(&path).unwrap(), &hashes, 6, 3).unwrap();
    record.have = Bitfield::full(6);
    fs::write(&path, record.encode(&hashes)).unwrap();
    assert!(matches!(open_again(&home), Found::Unchecked(_)));
    // Nor is the record of another torrent, or of another cut, a record of this one.
    let bytes = record.encode(&hashes);
    assert_eq!(Record::decode(&bytes, &hashes, 7, 3), None);
    assert_eq!(Record::decode(&bytes, &hashes, 6, 2), None);
    let other = InfoHashes::new(Some(Sha1Hash([1; 20])), None).unwrap();
    assert_eq!(Record::decode(&bytes, &other, 6, 3), None);
}

#[test]
fn pieces_whose_files_are_gone_are_not_written_down() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let mut bench = Bench::with(sample(), Arc::clone(&home), config(&home));
    bench.open().unwrap();
    bench.download_all();
    fs::remove_file(bench.directory().join(&bench.sample.files[2].0)).unwrap();
    bench.storage.submit(StorageRequest::SaveResume { torrent: ID, have: Bitfield::full(6) });
    assert!(matches!(bench.reply(), StorageReply::SaveFailed { .. }));
    assert_eq!(count_files(&home.path().join("state")), 0);
}

#[test]
fn files_removed_by_their_owner_mean_a_fresh_start() {
    let home = run_before(6);
    fs::remove_dir_all(home.path().join("downloads")).unwrap();
    assert_eq!(open_again(&home), Found::Nothing);
}

#[test]
fn a_directory_on_another_file_system_is_taken_for_a_missing_disk() {
    use super::super::resume::Record;
    let home = run_before(6);
    let path = record_of(&home);
    let hashes = sample().metainfo.info_hashes;
    let mut record = Record::decode(&fs::read(&path).unwrap(), &hashes, 6, 3).unwrap();
    assert_eq!(record.device, fs::metadata(home.path()).unwrap().dev());
    record.device += 1;
    fs::write(&path, record.encode(&hashes)).unwrap();
    assert!(
        matches!(open_again(&home), Found::Resumed(_)),
        "device numbers may change, the files are the same"
    );

    fs::remove_dir_all(home.path().join("downloads/sample")).unwrap();
    let mut bench = Bench::with(sample(), Arc::clone(&home), config(&home));
    assert!(bench.open().is_err());
    assert_eq!(count_files(&bench.directory()), 0);
}
