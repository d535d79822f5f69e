//! What there is, in one table: the index says it, requests are looked up in it, and `docs/control.md` has to have it all.

use serde::Serialize;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    Index,
    Status,
    Metrics,
    Pause,
    Resume,
    Stop,
    Keys,
}

#[derive(Clone, Copy, Serialize, Debug)]
pub struct Route {
    pub path: &'static str,
    /// As the header Allow has it.
    pub methods: &'static str,
    pub does: &'static str,
    /// A body, if there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<&'static str>,
    #[serde(skip)]
    pub action: Action,
}

const READ: &str = "GET, HEAD";
const DO: &str = "PUT, POST";

pub const ROUTES: &[Route] = &[
    Route { path: "/v1/", methods: READ, does: "says what there is", body: None, action: Action::Index },
    Route {
        path: "/v1/status",
        methods: READ,
        does: "says how the machine is",
        body: None,
        action: Action::Status,
    },
    Route {
        path: "/v1/metrics",
        methods: READ,
        does: "gives figures, in Prometheus' text format",
        body: None,
        action: Action::Metrics,
    },
    Route {
        path: "/v1/pause",
        methods: DO,
        does: "stops all virtual CPUs; answers when they stand",
        body: None,
        action: Action::Pause,
    },
    Route { path: "/v1/resume", methods: DO, does: "lets them go on", body: None, action: Action::Resume },
    Route {
        path: "/v1/stop",
        methods: DO,
        does: "ends the machine, and ukvmm with this status (0 to 119) or of this signal; without either, of SIGTERM",
        body: Some(r#"{"status":N} or {"signal":"TERM"}"#),
        action: Action::Stop,
    },
    Route {
        path: "/v1/keys",
        methods: DO,
        does: "types on the guest's console, as much as there is room for",
        body: Some(r#"{"text":"ls\n"} or {"keys":["ctrl-c","up","enter"]}"#),
        action: Action::Keys,
    },
];

/// Why there is no route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoRoute {
    Path,
    /// These there are.
    Method(&'static str),
}

/// Whose request this is. A slash more or less at the end of a path is no reason to refuse it.
pub fn find(method: &str, path: &str) -> Result<Action, NoRoute> {
    let plain = |path: &str| path.trim_end_matches('/').to_owned();
    let route = ROUTES.iter().find(|route| plain(route.path) == plain(path)).ok_or(NoRoute::Path)?;
    let is_there = route.methods.split(", ").any(|known| known == method);
    if is_there { Ok(route.action) } else { Err(NoRoute::Method(route.methods)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_every_route_and_every_key() {
        let text = include_str!("../../../docs/control.md");
        for route in ROUTES {
            assert!(text.contains(&format!("http://ukvmm{}", route.path)), "{}", route.path);
        }
        for (name, _) in crate::control::keys::NAMED {
            // Some are named as a range.
            let is_one_of_many = name.strip_prefix('f').is_some_and(|number| number.parse::<u8>().is_ok());
            assert!(is_one_of_many || text.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn every_route_is_found_by_each_of_its_methods_and_no_other() {
        for route in ROUTES {
            for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "get", ""] {
                let known = route.methods.split(", ").any(|known| known == method);
                let expected = if known { Ok(route.action) } else { Err(NoRoute::Method(route.methods)) };
                assert_eq!(find(method, route.path), expected, "{method} {}", route.path);
            }
        }
        assert_eq!(find("GET", "/v1"), Ok(Action::Index));
        for path in ["/", "", "/v1/statu", "/v2/status", "/v1/status/x", "/v1//status", "*"] {
            assert_eq!(find("GET", path), Err(NoRoute::Path), "{path}");
        }
    }
}
