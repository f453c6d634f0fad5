use super::*;

fn change(table: Table, key: &str, value: Option<&str>) -> Change {
    Change { table, key: key.as_bytes().to_vec(), value: value.map(|value| value.as_bytes().to_vec()) }
}

fn open(home: &tempfile::TempDir) -> StateStore {
    let (store, damage) = StateStore::open(home.path()).unwrap();
    assert_eq!(damage, []);
    store
}

#[test]
fn what_was_committed_is_there_at_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(&home);
    store
        .commit(&[
            change(Table::Torrents, "a", Some("1")),
            change(Table::Torrents, "b", Some("2")),
            change(Table::Settings, "a", Some("other")),
            change(Table::Torrents, "b", Some("3")),
        ])
        .unwrap();
    store.commit(&[change(Table::Torrents, "a", None), change(Table::Torrents, "never", None)]).unwrap();
    for _ in 0..2 {
        assert_eq!(store.get(Table::Torrents, b"a"), Ok(None));
        assert_eq!(store.get(Table::Settings, b"a"), Ok(Some(b"other".to_vec())));
        assert_eq!(store.scan(Table::Torrents), Ok(vec![(b"b".to_vec(), b"3".to_vec())]));
        assert_eq!(store.scan(Table::Statistics), Ok(vec![]));
        drop(store);
        store = open(&home);
    }
}

#[test]
fn one_process_has_it_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    assert!(matches!(StateStore::open(home.path()), Err(StateError::InUse(_))));
    drop(store);
    open(&home);
}

#[test]
fn a_newer_format_is_named_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    drop(open(&home));
    let mark = home.path().join("lock");
    fs::write(&mark, format!("{MARK}2\n")).unwrap();
    assert_eq!(StateStore::open(home.path()).unwrap_err(), StateError::TooNew { found: 2, known: FORMAT });
    fs::write(&mark, format!("{MARK}1\n")).unwrap();
    drop(open(&home));
    // The mark may be from another time than the copies.
    let (replica, _) = Place::new(home.path(), COPIES[1]).open().ok().unwrap().unwrap();
    replica.write_as(&[], survey::Header { format: 7, generation: 9 }).unwrap();
    drop(replica);
    let first = fs::read(home.path().join(COPIES[0])).unwrap();
    assert_eq!(StateStore::open(home.path()).unwrap_err(), StateError::TooNew { found: 7, known: FORMAT });
    assert_eq!(fs::read(home.path().join(COPIES[0])).unwrap().len(), first.len());
}

#[test]
fn a_directory_that_cannot_be_read_is_not_an_empty_one() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("file"), b"").unwrap();
    assert!(matches!(StateStore::open(&home.path().join("file")), Err(StateError::Io(_))));
    // A directory where a copy should be is nothing that we have written, and nothing to be set aside.
    let place = home.path().join("state");
    fs::create_dir_all(place.join(COPIES[0])).unwrap();
    assert!(matches!(StateStore::open(&place), Err(StateError::Io(_))));
}

#[test]
fn a_store_that_has_vanished_is_missed() {
    let home = tempfile::tempdir().unwrap();
    drop(open(&home));
    for name in COPIES {
        fs::remove_file(home.path().join(name)).unwrap();
    }
    let (_, damage) = StateStore::open(home.path()).unwrap();
    assert_eq!(damage, [Damage::StoreMissing]);
}

/// A record that is damaged where the database does not notice: it was damaged before it was written.
#[test]
fn a_record_that_is_damaged_in_both_copies_is_lost_alone() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(&home);
    let keys = ["one", "two", "three"];
    store.commit(&keys.map(|key| change(Table::Torrents, key, Some(key)))).unwrap();
    let generation = store.generation;
    drop(store);
    for (name, damaged) in [(COPIES[0], ["one", "two"]), (COPIES[1], ["three", "two"])] {
        let (replica, _) = Place::new(home.path(), name).open().ok().unwrap().unwrap();
        let row = |key: &str| (Table::Torrents, key.as_bytes().to_vec(), Some(name.as_bytes().to_vec()));
        replica.write(&damaged.map(row), generation).unwrap();
    }
    let (store, damage) = StateStore::open(home.path()).unwrap();
    assert_eq!(store.get(Table::Torrents, b"one").unwrap().unwrap(), b"one");
    assert_eq!(store.get(Table::Torrents, b"two").unwrap(), None);
    assert_eq!(store.get(Table::Torrents, b"three").unwrap().unwrap(), b"three");
    let [
        Damage::RecordMended { .. },
        Damage::RecordMended { .. },
        Damage::RecordLost { key, quarantine, .. },
    ] = damage.as_slice()
    else {
        panic!("{damage:?}");
    };
    assert_eq!(key, b"two");
    let remains: Vec<_> = quarantine.iter().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(remains, COPIES.map(|name| name.as_bytes().to_vec()));
    drop(store);
    open(&home);
}

#[test]
fn a_commit_that_only_one_copy_has_is_whole_or_gone() {
    for ahead in COPIES {
        let home = tempfile::tempdir().unwrap();
        let mut store = open(&home);
        store
            .commit(&[change(Table::Torrents, "a", Some("1")), change(Table::Torrents, "b", Some("1"))])
            .unwrap();
        let generation = store.generation;
        drop(store);
        let (replica, _) = Place::new(home.path(), ahead).open().ok().unwrap().unwrap();
        let entry = Entry { generation: generation + 1, value: b"2".to_vec() };
        let row = (Table::Torrents, b"a".to_vec(), Some(entry.encode(Table::Torrents.code(), b"a")));
        replica.write(&[row, (Table::Torrents, b"b".to_vec(), None)], generation + 1).unwrap();
        drop(replica);
        for _ in 0..2 {
            let store = open(&home);
            assert_eq!(store.scan(Table::Torrents).unwrap(), [(b"a".to_vec(), b"2".to_vec())]);
        }
    }
}

/// The worst moment: the first copy has the commit, the second does not take it, and neither can be written any more.
#[test]
fn a_commit_that_failed_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(&home);
    store.commit(&[change(Table::Torrents, "a", Some("before"))]).unwrap();
    for out_of_service in [0..1, 1..2, 0..2] {
        let rows = [(Table::Torrents, b"a".to_vec(), None)];
        for index in out_of_service {
            store.write(index, &rows, store.generation + 1).unwrap();
            store.replicas[index] = None;
        }
        store.settle();
        assert_eq!(store.get(Table::Torrents, b"a").unwrap().unwrap(), b"before");
        drop(store);
        store = open(&home);
        assert_eq!(store.get(Table::Torrents, b"a").unwrap().unwrap(), b"before");
    }
    store.replicas = [None, None];
    store.commit(&[change(Table::Torrents, "a", Some("after"))]).unwrap();
    drop(store);
    assert_eq!(open(&home).get(Table::Torrents, b"a").unwrap().unwrap(), b"after");
}
