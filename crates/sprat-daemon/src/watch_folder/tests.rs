use std::fs;
use std::path::Path;

use super::*;

const TORRENT: &[u8] = b"d4:infod6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:00000000000000000000ee";
const MAGNET: &str = "magnet:?xt=urn:btih:0123456789012345678901234567890123456789";

struct Watched {
    directory: tempfile::TempDir,
    news: mpsc::Receiver<News>,
    folder: WatchFolder,
}

impl Watched {
    fn start(afterwards: Afterwards, files: &[(&str, &[u8])]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(directory.path().join(name), content).unwrap();
        }
        Self::again(directory, afterwards, Vec::new())
    }

    fn again(directory: tempfile::TempDir, afterwards: Afterwards, left: Vec<Left>) -> Self {
        let (sender, news) = mpsc::channel(1);
        let interval = Duration::from_millis(10);
        let config = WatchConfig { interval, afterwards, ..WatchConfig::new(directory.path().to_owned()) };
        Self { folder: WatchFolder::start(config, left, sender).unwrap(), directory, news }
    }

    async fn found(&mut self) -> Found {
        match self.news.recv().await.unwrap() {
            News::Found(found) => found,
            other => panic!("{other:?}"),
        }
    }

    async fn left(&mut self) -> Left {
        match self.news.recv().await.unwrap() {
            News::Left(left) => left,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until exactly these files are there.
    async fn until_there_are(&self, names: &[&str]) {
        while listing(self.directory.path()) != names {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn listing(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_was_added_is_renamed_and_replaces_nothing() {
    let files = [
        ("a.torrent", TORRENT),
        ("a.torrent.added", b"old"),
        ("b.MAGNET", MAGNET.as_bytes()),
        ("c.txt", b""),
    ];
    let mut watched = Watched::start(Afterwards::Rename, &files);
    let mut documents = Vec::new();
    for _ in 0..2 {
        let found = watched.found().await;
        documents.push((found.name, found.document));
        found.verdict.send(Verdict::Added).unwrap();
    }
    let magnet = Document::Magnet(Box::new(MAGNET.parse().unwrap()));
    let expected =
        [("a.torrent".to_owned(), Document::TorrentFile(TORRENT.into())), ("b.MAGNET".to_owned(), magnet)];
    assert_eq!(documents, expected);
    watched.until_there_are(&["a.torrent.2.added", "a.torrent.added", "b.MAGNET.added", "c.txt"]).await;
    assert_eq!(fs::read(watched.directory.path().join("a.torrent.added")).unwrap(), b"old");
}

#[tokio::test]
async fn what_was_added_is_deleted_and_nothing_else() {
    let mut watched = Watched::start(Afterwards::Delete, &[("a.torrent", TORRENT), ("b.txt", b"")]);
    watched.found().await.verdict.send(Verdict::Added).unwrap();
    watched.until_there_are(&["b.txt"]).await;
}

#[tokio::test]
async fn a_file_that_was_replaced_meanwhile_is_not_deleted_but_added_as_well() {
    let mut watched = Watched::start(Afterwards::Delete, &[("a.torrent", TORRENT)]);
    let found = watched.found().await;
    let path = watched.directory.path().join("a.torrent");
    fs::rename(&path, watched.directory.path().join("old")).unwrap();
    fs::write(&path, [TORRENT, b"\n"].concat()).unwrap();
    found.verdict.send(Verdict::Added).unwrap();
    let found = watched.found().await;
    assert_eq!(found.document, Document::TorrentFile([TORRENT, b"\n"].concat().into()));
    found.verdict.send(Verdict::Added).unwrap();
    watched.until_there_are(&["old"]).await;
}

#[tokio::test]
async fn what_was_left_is_not_added_after_a_restart() {
    let mut watched = Watched::start(Afterwards::Leave, &[("a.torrent", TORRENT)]);
    watched.found().await.verdict.send(Verdict::Added).unwrap();
    let left = watched.left().await;
    let saved = serde_json::to_string(&left).unwrap();
    let Watched { directory, folder, .. } = watched;
    drop(folder);

    let mut watched =
        Watched::again(directory, Afterwards::Leave, vec![serde_json::from_str(&saved).unwrap()]);
    fs::write(watched.directory.path().join("b.torrent"), TORRENT).unwrap();
    let found = watched.found().await;
    assert_eq!(found.name, "b.torrent");
    found.verdict.send(Verdict::Added).unwrap();
    assert_eq!(watched.left().await.name, b"b.torrent");
    assert_eq!(listing(watched.directory.path()), ["a.torrent", "b.torrent"]);
}

#[tokio::test]
async fn what_is_refused_is_set_aside() {
    let mut watched = Watched::start(Afterwards::Delete, &[("a.torrent", TORRENT)]);
    watched.found().await.verdict.send(Verdict::Refused("no".to_owned())).unwrap();
    watched.until_there_are(&["a.torrent.invalid"]).await;
}

#[tokio::test]
async fn links_drafts_directories_and_fifos_are_not_touched() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.torrent"), TORRENT).unwrap();
    let mut watched = Watched::start(Afterwards::Delete, &[(".draft.torrent", TORRENT)]);
    let path = watched.directory.path();
    std::os::unix::fs::symlink(outside.path().join("secret.torrent"), path.join("link.torrent")).unwrap();
    fs::create_dir(path.join("dir.torrent")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, path.join("fifo.torrent"), mode).unwrap();
    fs::write(path.join("z.torrent"), TORRENT).unwrap();
    let found = watched.found().await;
    assert_eq!(found.name, "z.torrent");
    found.verdict.send(Verdict::Added).unwrap();
    watched.until_there_are(&[".draft.torrent", "dir.torrent", "fifo.torrent", "link.torrent"]).await;
    assert_eq!(listing(outside.path()), ["secret.torrent"]);
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_trouble_until_it_is() {
    let parent = tempfile::tempdir().unwrap();
    let (sender, mut news) = mpsc::channel(1);
    let directory = parent.path().join("later");
    let config = WatchConfig { interval: Duration::from_millis(10), ..WatchConfig::new(directory.clone()) };
    let folder = WatchFolder::start(config, Vec::new(), sender).unwrap();
    while folder.status().trouble.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("a.torrent"), TORRENT).unwrap();
    assert!(matches!(news.recv().await, Some(News::Found(_))));
    while folder.status().trouble.is_some() || folder.status().busy_since.is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn dropping_it_ends_the_watch() {
    let watched = Watched::start(Afterwards::Rename, &[]);
    let Watched { folder, mut news, .. } = watched;
    drop(folder);
    assert!(news.recv().await.is_none());
}

#[test]
fn what_is_neither_torrent_nor_magnet_link_is_refused() {
    for (content, is_magnet) in [(&b"x"[..], false), (b"de", false), (b"magnet:?", true), (b"\xff", true)] {
        assert!(document(content.to_vec(), is_magnet).is_err());
    }
    assert!(document(format!("{MAGNET}\r\n").into_bytes(), true).is_ok());
}
