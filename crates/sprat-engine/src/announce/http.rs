//! Announces and scrapes to HTTP trackers: the codec's bytes on the [`HttpClient`]'s connections.

use std::collections::BTreeMap;
use std::net::IpAddr;

use sprat_wire::compact::Family;
use sprat_wire::hash::InfoHash;
use sprat_wire::tracker::{AnnounceRequest, AnnounceResponse, ScrapeEntry, http};

use super::AnnounceError;
use crate::address_policy::Origin;
use crate::http::{HttpClient, HttpResponse, Limits};

/// Announces over one internet. Returns the answer and the address that gave it.
pub(super) async fn announce(
    client: &HttpClient,
    url: &str,
    request: &AnnounceRequest,
    family: Family,
    origin: Origin,
) -> Result<(AnnounceResponse, IpAddr), AnnounceError> {
    let url = http::with_query(url, &http::announce_query(request));
    let response = client.get_over(family, &url, Limits::TRACKER, origin).await?;
    let answer = understand(&response, http::decode_announce_response)?;
    Ok((answer, response.remote.ip()))
}

/// Scrapes over one internet.
pub(super) async fn scrape(
    client: &HttpClient,
    url: &str,
    swarms: &[InfoHash],
    family: Family,
    origin: Origin,
) -> Result<BTreeMap<InfoHash, ScrapeEntry>, AnnounceError> {
    let url = http::scrape_url(url).ok_or(AnnounceError::Url("this tracker has no scrape URL"))?;
    let url = http::with_query(&url, &http::scrape_query(swarms));
    let response = client.get_over(family, &url, Limits::TRACKER, origin).await?;
    understand(&response, http::decode_scrape_response)
}

/// What the body says. Some trackers refuse with a status of their own and a proper reason in the body, so that the
/// status counts only when the body says nothing.
fn understand<T>(
    response: &HttpResponse,
    decode: impl FnOnce(&[u8]) -> Result<T, http::AnswerError>,
) -> Result<T, AnnounceError> {
    match decode(&response.body) {
        Err(http::AnswerError::Failure(failure)) => {
            Err(AnnounceError::Refused { reason: failure.reason, retry: failure.retry })
        }
        _ if response.status != 200 => Err(AnnounceError::Status(response.status)),
        Err(error) => Err(AnnounceError::Answer(error)),
        Ok(answer) => Ok(answer),
    }
}
