//! `torrents/add`. What a request asks for and sprat does not have is passed over where the torrent is none the worse for it: to refuse
//! would mean that a program gets nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use sprat_core::io::{Manner, RateLimits};

use super::failure::Failure;
use super::limits::rate;
use super::params::Params;
use super::share;
use super::state::Web;
use crate::service::{Action, AddError, NewTorrent, Source};
use crate::torrents::{ContentLayout, SeedingLimits};

/// So many URLs may be named at once: each is fetched while the request waits.
const MOST_URLS: usize = 100;

/// Something was added.
const DONE: &str = "Ok.";

/// Nothing was.
const NOTHING_DONE: &str = "Fails.";

/// Adds what `urls` names and what was sent along. One that is there already is not added.
pub(super) async fn add(State(web): State<Arc<Web>>, params: Params) -> Result<&'static str, Failure> {
    let urls = params.list("urls", '\n');
    if urls.is_empty() && params.files.is_empty() {
        return Err(Failure::bad_request("neither urls nor torrents are there"));
    }
    if urls.len() > MOST_URLS {
        return Err(Failure::bad_request(format!("more than {MOST_URLS} URLs")));
    }
    let wishes = Wishes::read(&params)?;
    let mut is_anything_added = false;
    for file in &params.files {
        match add_one(&web, Source::File(file.clone()), &wishes).await {
            Err(AddError::Metainfo(problem)) if params.files.len() == 1 && urls.is_empty() => {
                return Err(AddError::Metainfo(problem).into());
            }
            added => is_anything_added |= is_added(added),
        }
    }
    for url in urls {
        match source(&web, url).await {
            Ok(source) => is_anything_added |= is_added(add_one(&web, source, &wishes).await),
            Err(problem) => tracing::warn!(problem, "a torrent that a program has named was not added"),
        }
    }
    Ok(if is_anything_added { DONE } else { NOTHING_DONE })
}

/// Programs are told no reason; the log is.
fn is_added(added: Result<(), AddError>) -> bool {
    added
        .inspect_err(|error| tracing::warn!(%error, "a torrent that a program has sent was not added"))
        .is_ok()
}

async fn source(web: &Web, url: &str) -> Result<Source, String> {
    let starts =
        |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if starts("magnet:") {
        Ok(Source::Magnet(url.to_owned()))
    } else if starts("http://") || starts("https://") {
        (web.around.fetch)(url.to_owned()).await
    } else if url.len() == 40 && url.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        // A mere hash will do for a link.
        Ok(Source::Magnet(format!("magnet:?xt=urn:btih:{url}")))
    } else {
        Err("this is neither a magnet link nor an HTTP URL; files of the server are not read".to_owned())
    }
}

/// How torrents are to be added.
#[derive(Debug, PartialEq)]
struct Wishes {
    directory: Option<PathBuf>,
    in_place: bool,
    layout: ContentLayout,
    name: Option<String>,
    label: Option<String>,
    tags: BTreeSet<String>,
    start: bool,
    is_forced: bool,
    at_top: bool,
    sequential: bool,
    first_last_first: bool,
    limits: RateLimits,
    seeding: SeedingLimits,
}

impl Wishes {
    fn read(params: &Params) -> Result<Self, Failure> {
        let text = |name| params.text(name).map(str::trim).filter(|text| !text.is_empty());
        let is = |name| params.flag(name).unwrap_or(false);
        // With automatic management the category says where.
        let directory = text("savepath").filter(|_| !is("autoTMM"));
        let limit = |name| Ok::<_, Failure>(params.number(name)?.and_then(rate));
        // Once the condition is met it is to be stopped; it never starts here, so nothing comes that was not wanted.
        let has_condition = text("stopCondition").is_some_and(|condition| condition != "None");
        Ok(Self {
            // What is there is checked all the same. These are the ways to say that the files are there already.
            in_place: is("skip_checking")
                || params.flag("useDownloadPath") == Some(false)
                || directory.is_some() && text("downloadPath") == directory,
            directory: directory.map(PathBuf::from),
            layout: layout(params),
            name: text("rename").map(str::to_owned),
            label: text("category").map(str::to_owned),
            tags: params.list("tags", ',').into_iter().map(str::to_owned).collect(),
            // Each generation has its word.
            start: !(is("stopped") || is("paused") || has_condition),
            is_forced: is("forced"),
            at_top: is("addToTopOfQueue"),
            sequential: is("sequentialDownload"),
            first_last_first: is("firstLastPiecePrio"),
            limits: RateLimits { download: limit("dlLimit")?, upload: limit("upLimit")? },
            seeding: share::wished(params)?.applied_to(SeedingLimits::default()),
        })
    }
}

/// Each generation has its field. A word that nobody knows is as good as none.
fn layout(params: &Params) -> ContentLayout {
    match (params.text("contentLayout").map(str::trim), params.flag("root_folder")) {
        (Some("Subfolder"), _) => ContentLayout::Subfolder,
        (Some("NoSubfolder"), _) | (None | Some(""), Some(false)) => ContentLayout::NoSubfolder,
        _ => ContentLayout::Original,
    }
}

async fn add_one(web: &Web, source: Source, wishes: &Wishes) -> Result<(), AddError> {
    let new = NewTorrent {
        directory: wishes.directory.clone(),
        in_place: wishes.in_place,
        layout: wishes.layout,
        name: wishes.name.clone(),
        label: wishes.label.clone(),
        tags: wishes.tags.clone(),
        start: wishes.start,
        at_top: wishes.at_top,
        sequential: wishes.sequential,
        manner: Manner { first_last_first: wishes.first_last_first, ..Manner::USUAL },
        limits: wishes.limits,
        seeding: wishes.seeding,
        origin: "qbittorrent".to_owned(),
        ..NewTorrent::new(source)
    };
    let torrent = web.service.add(new).await?.torrent;
    if wishes.is_forced && wishes.start {
        web.service.act(&[torrent], Action::ForceStart).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torrents::SeedingLimit;

    fn read(form: &str) -> Wishes {
        Wishes::read(&form.into()).unwrap()
    }

    #[test]
    fn both_generations_say_whether_it_runs() {
        assert!(read("").start && read("paused=false").start && read("stopped=false&paused=false").start);
        for form in ["paused=true", "stopped=true", "stopCondition=MetadataReceived"] {
            assert!(!read(form).start, "{form}");
        }
        assert!(read("stopCondition=None").start);
    }

    #[test]
    fn who_says_that_the_files_are_there_is_believed_in_where() {
        for form in ["skip_checking=true", "savepath=/a&downloadPath=/a", "useDownloadPath=false"] {
            assert!(read(form).in_place, "{form}");
        }
        for form in ["savepath=/a", "savepath=/a&downloadPath=/b", "downloadPath=/b", "skip_checking=false"] {
            assert!(!read(form).in_place, "{form}");
        }
        assert_eq!(read("savepath=/a&autoTMM=true").directory, None);
        assert_eq!(read("savepath=/a&autoTMM=false").directory, Some("/a".into()));
    }

    #[test]
    fn both_generations_say_how_files_lie() {
        for (form, layout) in [
            ("", ContentLayout::Original),
            ("contentLayout=Original&root_folder=false", ContentLayout::Original),
            ("contentLayout=Subfolder", ContentLayout::Subfolder),
            ("contentLayout=NoSubfolder&root_folder=true", ContentLayout::NoSubfolder),
            ("contentLayout=Elsewhere", ContentLayout::Original),
            ("root_folder=true", ContentLayout::Original),
            ("contentLayout=&root_folder=false", ContentLayout::NoSubfolder),
        ] {
            assert_eq!(read(form).layout, layout, "{form}");
        }
    }

    #[test]
    fn limits_and_names_are_taken_over() {
        let form =
            "category=tv&tags=a,+b,,&rename=x&upLimit=1000&dlLimit=-1&ratioLimit=1.5&seedingTimeLimit=60";
        let wishes = read(form);
        assert_eq!((wishes.label.as_deref(), wishes.name.as_deref()), (Some("tv"), Some("x")));
        assert_eq!(wishes.tags, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        assert_eq!(wishes.limits, RateLimits { download: None, upload: Some(1000) });
        assert_eq!(wishes.seeding.ratio, SeedingLimit::Limit(1.5));
        assert_eq!(wishes.seeding.seconds, SeedingLimit::Limit(3600));
        assert_eq!(wishes.seeding.idle_seconds, SeedingLimit::Inherit);
        assert!(Wishes::read(&"upLimit=fast".into()).is_err());
    }
}
