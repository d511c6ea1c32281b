//! Routes: which service an application is for that another system sends by a code of its own.
//!
//! Not here: what becomes of an application that no route leads anywhere (`engine`).

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::code::{ChannelCode, ServiceCode};

/// Most bytes of a sender's code and of a territory.
pub const ROUTE_TEXT_MAX_BYTES: usize = 100;

/// A route.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The service as senders call it.
    pub code: Spanned<String>,
    /// How the code of the territory begins that the route is for; every territory without it.
    #[serde(default)]
    pub territory: String,
    /// The service.
    pub service: Spanned<ServiceCode>,
    /// The channel of the service that such applications come by.
    pub channel: Spanned<ChannelCode>,
}

impl Route {
    /// Whether an application of this code and territory takes the route.
    #[must_use]
    pub fn leads(&self, code: &str, territory: &str) -> bool {
        self.code.value == code && territory.starts_with(&self.territory)
    }

    /// The route of an application: of those that lead somewhere, the one that names most of the
    /// territory.
    #[must_use]
    pub fn find<'a>(routes: &'a [Self], code: &str, territory: &str) -> Option<&'a Self> {
        let leading = routes.iter().filter(|route| route.leads(code, territory));
        leading.max_by_key(|route| route.territory.len())
    }
}
