//! Who may do what.

use crate::house::{FORM, House, form};
use crate::wire::Answer;

async fn log_in(house: &House, token: &str, head: &[(&'static str, &str)]) -> Answer {
    let body = form(&[("username", "whoever"), ("password", token)]);
    house.send("POST", "auth/login", &[&[FORM], head].concat(), body.as_bytes()).await
}

/// What shows the session that was begun.
fn cookie(reply: &Answer) -> String {
    let cookie = reply.header("Set-Cookie").unwrap();
    assert!(cookie.starts_with("SID=") && cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
    format!("other=1; {}", cookie.split(';').next().unwrap())
}

#[tokio::test]
async fn a_session_begins_with_a_token_and_ends_with_a_logout() {
    let house = House::new().await;
    let stranger = house.send("GET", "app/webapiVersion", &[], b"").await;
    assert_eq!(stranger.status, 403, "programs ask by this whether they have to log in");
    let reply = log_in(&house, &house.token, &[]).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "Ok."));
    let session = cookie(&reply);
    let version = house.send("GET", "app/webapiVersion", &[("Cookie", &session)], b"").await;
    assert_eq!((version.status, version.body.as_str()), (200, "2.11.4"));
    // Some send what is empty as plain text.
    let plain = house
        .send("POST", "torrents/categories", &[("Cookie", &session), ("Content-Type", "text/plain")], b"")
        .await;
    assert_eq!((plain.status, plain.body.as_str()), (200, "{}"));
    let made =
        house.send("POST", "torrents/createCategory", &[("Cookie", &session), FORM], b"category=tv").await;
    assert_eq!(made.status, 200);
    assert!(house.service.labels().labels.contains_key("tv"));
    assert_eq!(house.send("POST", "auth/logout", &[("Cookie", &session)], b"").await.status, 200);
    assert_eq!(house.send("GET", "app/version", &[("Cookie", &session)], b"").await.status, 403);
    house.service.stop().await;
}

#[tokio::test]
async fn a_wrong_password_fails_and_many_have_to_wait() {
    let house = House::new().await;
    let mut mistakes = 0;
    loop {
        let reply = log_in(&house, "adminadmin", &[]).await;
        assert_eq!(reply.header("Set-Cookie"), None);
        if reply.status == 403 {
            assert!(reply.header("Retry-After").is_some());
            break;
        }
        assert_eq!((reply.status, reply.body.as_str()), (200, "Fails."));
        mistakes += 1;
        assert!(mistakes < 20, "waits grow with each");
    }
    assert_eq!(log_in(&house, &house.token, &[]).await.body, "Ok.", "the owner is never kept out");
    house.service.stop().await;
}

#[tokio::test]
async fn who_may_look_changes_nothing() {
    let house = House::new().await;
    let session = cookie(&log_in(&house, &house.read_only_token().await, &[]).await);
    for endpoint in ["app/preferences", "torrents/info", "sync/maindata", "transfer/info"] {
        for method in ["GET", "POST"] {
            assert_eq!(
                house.send(method, endpoint, &[("Cookie", &session)], b"").await.status,
                200,
                "{method} {endpoint}"
            );
        }
    }
    for endpoint in CHANGING {
        let reply = house
            .send("POST", endpoint, &[("Cookie", &session), FORM], b"category=x&hashes=all&json={}")
            .await;
        assert_eq!(reply.status, 403, "{endpoint}");
    }
    assert!(house.service.labels().labels.is_empty());
    house.service.stop().await;
}

const CHANGING: &[&str] = &[
    "app/setPreferences",
    "torrents/add",
    "torrents/addTags",
    "torrents/addTrackers",
    "torrents/bottomPrio",
    "torrents/createCategory",
    "torrents/createTags",
    "torrents/delete",
    "torrents/editCategory",
    "torrents/filePrio",
    "torrents/pause",
    "torrents/reannounce",
    "torrents/recheck",
    "torrents/removeTags",
    "torrents/removeTrackers",
    "torrents/rename",
    "torrents/resume",
    "torrents/setCategory",
    "torrents/setForceStart",
    "torrents/setLocation",
    "torrents/setShareLimits",
    "torrents/setSuperSeeding",
    "torrents/start",
    "torrents/stop",
    "torrents/toggleSequentialDownload",
    "torrents/topPrio",
    "transfer/setDownloadLimit",
];

#[tokio::test]
async fn foreign_pages_have_no_effect() {
    let house = House::new().await;
    let session = cookie(&log_in(&house, &house.token, &[]).await);
    let foreign = ("Origin", "http://example.org");
    for endpoint in CHANGING {
        // A picture in a page, a form in a page.
        assert_eq!(
            house.send("GET", &format!("{endpoint}?category=x"), &[("Cookie", &session)], b"").await.status,
            405,
            "{endpoint}"
        );
        let posted =
            house.send("POST", endpoint, &[("Cookie", &session), foreign, FORM], b"category=x").await;
        assert_eq!(posted.status, 403, "{endpoint}");
        let json = house
            .send("POST", endpoint, &[("Cookie", &session), ("Content-Type", "application/json")], b"{}")
            .await;
        assert_eq!(json.status, 415, "{endpoint}");
    }
    assert_eq!(log_in(&house, &house.token, &[foreign]).await.status, 403);
    assert_eq!(log_in(&house, &house.token, &[("Host", "example.org")]).await.status, 421);
    let rebound =
        house.send("GET", "torrents/info", &[("Cookie", &session), ("Host", "example.org")], b"").await;
    assert_eq!(rebound.status, 421);
    let own = format!("http://{}", house.address);
    let posted = house
        .send(
            "POST",
            "torrents/createCategory",
            &[("Cookie", &session), ("Origin", &own), FORM],
            b"category=tv",
        )
        .await;
    assert_eq!(posted.status, 200);
    assert_eq!(house.service.labels().labels.keys().collect::<Vec<_>>(), ["tv"]);
    house.service.stop().await;
}
