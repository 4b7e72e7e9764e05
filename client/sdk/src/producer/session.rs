//! A producer's place in the sequence of one partition: what is sent again under it is stored once.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use super::Shared;
use crate::Error;
use crate::append::Sequenced;
use crate::request::Safety;

/// After the last sequence comes 0.
const SEQUENCES: i64 = 1 << 31;

/// Where the next batch belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// In the sequence of a producer of our own. Each partition has one, so that beginning anew in one is no matter of others.
    Known(Sequenced),
    /// The server gives out no sequences: what may have happened is not sent again.
    None,
}

impl Session {
    /// Gets an id from the server.
    pub(super) async fn open(shared: &Shared) -> Result<Session, Error> {
        #[derive(Deserialize)]
        struct Opened {
            producer_id: i64,
            epoch: i16,
        }
        let client = &shared.client;
        let url = client.url(&["v1", "producers"])?;
        let attempt = || async {
            let answer = client.ask_once(client.request(Method::POST, url.clone())).await?;
            client.understood::<Opened>(&answer)
        };
        // An id that nobody heard of is nobody's.
        match shared.retrying(Safety::Repeatable, attempt).await {
            Ok(Opened { producer_id, epoch }) => Ok(Session::Known(Sequenced { producer_id, epoch, sequence: 0 })),
            Err(error) if matches!(error.code(), Some("not_found" | "method_not_allowed")) => Ok(Session::None),
            // No record was sent.
            Err(error) => Err(error.of_read()),
        }
    }

    /// Whether a batch may be sent again whose answer was lost.
    pub(super) fn safety(self) -> Safety {
        match self {
            Session::Known(_) => Safety::Repeatable,
            Session::None => Safety::Once,
        }
    }

    pub(super) fn headers(self) -> HeaderMap {
        match self {
            Session::Known(place) => place.headers(),
            Session::None => HeaderMap::new(),
        }
    }

    /// Behind a batch that is stored.
    pub(super) fn behind(self, records: usize) -> Session {
        match self {
            Session::Known(place) => {
                let sequence = (i64::from(place.sequence) + records as i64) % SEQUENCES;
                let sequence = i32::try_from(sequence).expect("less than there are");
                Session::Known(Sequenced { sequence, ..place })
            }
            Session::None => Session::None,
        }
    }

    /// Anew, after a batch of which it is not known whether it is stored: under a higher epoch nothing of it can land any more
    /// once something has. `None` when the epochs are used up.
    pub(super) fn anew(self) -> Option<Session> {
        match self {
            Session::Known(place) => {
                let epoch = place.epoch.checked_add(1)?;
                Some(Session::Known(Sequenced { epoch, sequence: 0, ..place }))
            }
            Session::None => Some(Session::None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_go_on_and_begin_anew() {
        let at = |epoch: i16, sequence: i32| Session::Known(Sequenced { producer_id: 7, epoch, sequence });
        assert_eq!(at(0, 5).behind(3), at(0, 8));
        assert_eq!(at(0, i32::MAX).behind(1), at(0, 0));
        assert_eq!(at(0, 8).anew(), Some(at(1, 0)));
        assert_eq!(at(i16::MAX, 8).anew(), None);
        assert_eq!((Session::None.behind(3), Session::None.anew()), (Session::None, Some(Session::None)));
        assert_eq!(at(1, 2).headers()["producer-sequence"], "2");
    }
}
