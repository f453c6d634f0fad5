//! Disks and directories that do not do as asked.

use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

#[test]
fn links_in_the_way_are_refused_and_nothing_is_written_through_them() {
    for planted in ["sample", "sample/d0", "sample/d0/f000"] {
        let mut bench = Bench::new(Sample::new(Version::V1, BLOCK_LENGTH, &[20_000]));
        let outside = bench.home.path().join("outside");
        fs::create_dir_all(outside.join("d0")).unwrap();
        fs::write(outside.join("victim"), "precious").unwrap();
        let link = bench.directory().join(planted);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let target = if planted.ends_with("f000") { outside.join("victim") } else { outside.clone() };
        symlink(target, &link).unwrap();
        assert_eq!(bench.open().unwrap(), Found::nothing(2), "{planted}");
        assert_eq!(bench.failure(0), StorageErrorKind::Conflict, "{planted}");
        assert!(!bench.verify(bench.piece(0)));
        assert_eq!(fs::read(outside.join("victim")).unwrap(), b"precious");
        assert_eq!(count_files(&outside), 1);
    }
}

#[test]
fn a_link_planted_while_downloading_is_not_followed() {
    let mut bench = Bench::new(Sample::new(Version::V1, BLOCK_LENGTH, &[20_000, 20_000, 20_000, 20_000]));
    bench.open().unwrap();
    bench.download(bench.piece(0));
    let outside = bench.home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, bench.directory().join("sample/d2")).unwrap();
    let last = bench.sample.geometry.all_pieces().last().unwrap();
    assert_eq!(bench.failure(last.get()), StorageErrorKind::Conflict);
    assert_eq!(count_files(&outside), 0);
}

#[test]
fn a_fifo_in_the_way_holds_up_nobody() {
    let mut bench = Bench::new(Sample::new(Version::V1, BLOCK_LENGTH, &[20_000]));
    let path = bench.directory().join(&bench.sample.files[0].0);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    bench.open().unwrap();
    assert!(!bench.verify(bench.piece(0)));
    assert_eq!(bench.failure(0), StorageErrorKind::Conflict);
}

#[test]
fn a_file_that_is_missing_or_short_has_changed() {
    let mut bench = Bench::new(Sample::new(Version::V1, BLOCK_LENGTH, &[40_000]));
    bench.sample.lay_down(&bench.directory());
    bench.open().unwrap();
    let piece = bench.piece(1);
    assert!(bench.read(piece, 0, 100).is_ok());
    let path = bench.directory().join(&bench.sample.files[0].0);
    fs::File::options().write(true).open(&path).unwrap().set_len(20_000).unwrap();
    assert_eq!(bench.read(piece, 0, BLOCK_LENGTH).unwrap_err().kind, StorageErrorKind::Changed);
    assert!(!bench.verify(piece));
    assert!(bench.verify(bench.piece(0)));
}

#[test]
fn a_file_removed_under_us_does_not_swallow_pieces() {
    let mut bench = Bench::new(Sample::new(Version::V1, BLOCK_LENGTH, &[40_000]));
    bench.open().unwrap();
    bench.download(bench.piece(0));
    let path = bench.directory().join(&bench.sample.files[0].0);
    fs::remove_file(&path).unwrap();
    assert_eq!(bench.failure(1), StorageErrorKind::Changed);
    bench.download(bench.piece(1));
    assert!(path.exists(), "the next piece makes it anew");
}

#[test]
fn a_probe_leaves_nothing_behind() {
    let mut bench = Bench::new(Sample::new(Version::V1, BLOCK_LENGTH, &[40_000]));
    bench.open().unwrap();
    assert_eq!(bench.probe(), Ok(()));
    assert_eq!(count_files(&bench.directory()), 0);
    fs::remove_dir(bench.directory()).unwrap();
    fs::write(bench.directory(), "a file where the directory should be").unwrap();
    assert!(bench.probe().is_err());
}

#[test]
fn few_descriptors_suffice_for_many_files() {
    // The pool is as small as it gets; the system's own limit is tested in the pool.
    let home = Arc::new(tempfile::tempdir().unwrap());
    let config = StorageConfig { open_files: 0, ..StorageConfig::default() };
    let mut bench = Bench::with(Sample::new(Version::V1, BLOCK_LENGTH, &[1000; 200]), home, config);
    bench.open().unwrap();
    bench.download_all();
    bench.sample.assert_complete(&bench.directory());
}

/// A file system of its own, 1 MiB in size; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
        let mounted =
            Command::new("mount").args(mount).arg(at).output().is_ok_and(|output| output.status.success());
        if !mounted {
            println!("skipped: a tmpfs cannot be mounted here");
        }
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_apart_keeps_reading_and_recovers() {
    let mut bench = Bench::new(Sample::new(Version::V1, 4 * BLOCK_LENGTH, &[3_000_000]));
    let Some(disk) = SmallDisk::mount(&bench.directory()) else { return };
    bench.open().unwrap();
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![1; 800_000]).unwrap();
    bench.download(bench.piece(0));
    let mut stored = vec![bench.piece(0)];
    for index in 1.. {
        let piece = bench.piece(index);
        bench.write_piece(piece);
        bench.finish(piece, false);
        match bench.reply() {
            StorageReply::Stored { .. } => stored.push(piece),
            StorageReply::Failed { error, .. } => {
                assert_eq!(error.kind, StorageErrorKind::Full);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bench.probe().unwrap_err().kind, StorageErrorKind::Full);
    for piece in &stored {
        assert!(bench.verify(*piece));
    }
    fs::remove_file(ballast).unwrap();
    assert_eq!(bench.probe(), Ok(()));
    bench.download(bench.piece(stored.len() as u32));
    bench.close();
}

#[test]
fn a_disk_that_is_unmounted_below_us_is_missed_and_nothing_is_written_in_its_place() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let config = StorageConfig { open_files: 0, ..StorageConfig::default() };
    let sample = Sample::new(Version::V1, 4 * BLOCK_LENGTH, &[100_000; 6]);
    let mut bench = Bench::with(sample, home, config);
    let Some(disk) = SmallDisk::mount(&bench.directory()) else { return };
    bench.open().unwrap();
    bench.download(bench.piece(0));
    drop(disk);
    let last = bench.sample.geometry.all_pieces().last().unwrap();
    assert_eq!(bench.failure(last.get()), StorageErrorKind::Missing);
    assert!(bench.probe().is_err());
    assert_eq!(count_files(&bench.directory()), 0);
}
