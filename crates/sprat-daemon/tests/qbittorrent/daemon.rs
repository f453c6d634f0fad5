//! The interface in a whole daemon.

use serde_json::{Value, json};
use sprat_daemon::http::Inherited;
use sprat_daemon::notify::Supervisor;
use sprat_daemon::settings::Places;
use sprat_daemon::{Daemon, Options};

use crate::house::{self, FORM, form};

#[tokio::test]
async fn preferences_are_settings_that_stay() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("sprat.toml");
    let downloads = home.path().join("downloads");
    let text = format!(
        "[paths]\nstate = {:?}\ndownloads = {downloads:?}\n\n[peers]\nport = 0\naddresses = [\"127.0.0.1\"]\ndht = false\nlsd = false\n\n\
        [api]\nlisten = [\"127.0.0.1:0\"]\nqbittorrent = true\n",
        home.path().join("state")
    );
    std::fs::write(&file, text).unwrap();
    let wishes = json!({"up_limit": 50_000, "max_ratio_enabled": true, "max_ratio": 1.5, "dht": false});
    for run in 0..2 {
        let daemon = start(&file).await;
        let token = std::fs::read_to_string(daemon.token_file()).unwrap();
        let authorization = format!("Bearer {}", token.trim());
        let ask = async |method: &str, endpoint: &str, body: String| {
            let head = [("Authorization", authorization.as_str()), FORM];
            house::ask(daemon.addresses()[0], method, endpoint, &head, body.as_bytes()).await
        };
        if run == 0 {
            let reply = ask("POST", "app/setPreferences", form(&[("json", &wishes.to_string())])).await;
            assert_eq!(reply.status, 200, "{}", reply.body);
            assert_eq!(
                ask("POST", "transfer/setDownloadLimit", form(&[("limit", "70000")])).await.status,
                200
            );
            let outside = json!({"save_path": "/etc", "autorun_enabled": true});
            let reply = ask("POST", "app/setPreferences", form(&[("json", &outside.to_string())])).await;
            assert_eq!(reply.status, 409, "{}", reply.body);
        }
        let preferences: Value = ask("GET", "app/preferences", String::new()).await.json();
        assert_eq!((&preferences["up_limit"], &preferences["dl_limit"]), (&json!(50_000), &json!(70_000)));
        assert_eq!(
            (&preferences["max_ratio_enabled"], &preferences["max_ratio"]),
            (&json!(true), &json!(1.5))
        );
        assert_eq!(preferences["save_path"], json!(downloads));
        assert_eq!(ask("GET", "transfer/uploadLimit", String::new()).await.body, "50000");
        daemon.stop().await;
    }
}

async fn start(file: &std::path::Path) -> Daemon {
    let options = Options {
        file: Some(file.to_path_buf()),
        places: Places::of(|_| None),
        inherited: Inherited::none(),
        supervisor: Supervisor::none(),
        journal: std::sync::Arc::default(),
        set_log_level: Box::new(|_| ()),
    };
    Daemon::start(options).await.unwrap()
}
