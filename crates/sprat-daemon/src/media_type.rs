//! What is in a file, by the ending of its name.

/// What is not known.
pub const UNKNOWN: &str = "application/octet-stream";

/// The media type of a file of this name (RFC 6838), as far as the ending tells.
#[must_use]
pub fn of(path: &str) -> &'static str {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref().unwrap_or_default() {
        "mkv" => "video/x-matroska",
        "mp4" | "m4v" => "video/mp4",
        "avi" => "video/x-msvideo",
        "webm" => "video/webm",
        "ogv" => "video/ogg",
        "mov" => "video/quicktime",
        "mpg" | "mpeg" | "vob" => "video/mpeg",
        "wmv" => "video/x-ms-wmv",
        "ts" | "m2ts" => "video/mp2t",
        "mp3" => "audio/mpeg",
        "flac" => "audio/flac",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "m4a" | "m4b" => "audio/mp4",
        "aac" => "audio/aac",
        "wav" => "audio/wav",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        "epub" => "application/epub+zip",
        "mobi" => "application/x-mobipocket-ebook",
        "cbz" => "application/vnd.comicbook+zip",
        "cbr" => "application/vnd.comicbook-rar",
        "txt" | "nfo" => "text/plain",
        "srt" => "application/x-subrip",
        "html" | "htm" => "text/html",
        "zip" => "application/zip",
        "rar" => "application/vnd.rar",
        "7z" => "application/x-7z-compressed",
        "gz" => "application/gzip",
        "xz" => "application/x-xz",
        "iso" | "img" => "application/x-iso9660-image",
        _ => UNKNOWN,
    }
}

/// Whether it is something to watch or to listen to.
#[must_use]
pub fn is_playable(media_type: &str) -> bool {
    media_type.starts_with("video/") || media_type.starts_with("audio/")
}

/// Whether a browser may show it by itself: what can hold no script and no markup, whoever has made it.
#[must_use]
pub fn is_inert(media_type: &str) -> bool {
    is_playable(media_type)
        || media_type == "text/plain"
        || media_type.starts_with("image/") && media_type != "image/svg+xml"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ending_counts_and_nothing_that_may_hold_a_script_is_inert() {
        assert_eq!(of("a/film.MKV"), "video/x-matroska");
        assert_eq!((of("film.mp4.html"), of("film"), of("")), ("text/html", UNKNOWN, UNKNOWN));
        for name in ["a.mp4", "a.flac", "a.png", "a.txt"] {
            assert!(is_inert(of(name)), "{name}");
        }
        for name in ["a.html", "a.svg", "a.pdf", "a.xhtml", "a.js", "a"] {
            assert!(!is_inert(of(name)), "{name}");
        }
    }
}
