//! Which route a path is, for what is done around the router: counting requests and bounding them.
//!
//! The router finds it again, and tells only those within. What is around it could be layers of it, which it would tell too; but
//! of each layer it takes a copy for each request, with copies of all those within, and a place for what each answers. For small
//! requests that was most of what they cost.

/// The most parts that a template has, the nothing before its first slash included.
const PARTS_MAX: usize = 8;

/// All routes that there are.
pub(crate) struct Routes(Vec<Route>);

/// A path's template, such as `/v1/topics/{topic}`.
pub(crate) struct Route {
    pub(crate) template: String,
    /// Its place among all.
    pub(crate) number: usize,
    /// Between its slashes; `None` for any text.
    parts: Vec<Option<String>>,
    /// Whether its requests are work for the node, and bounded.
    pub(crate) is_work: bool,
}

impl Routes {
    pub(crate) fn new(work: impl IntoIterator<Item = String>, others: impl IntoIterator<Item = String>) -> Routes {
        let work = work.into_iter().map(|template| (template, true));
        let others = others.into_iter().map(|template| (template, false));
        let numbered = work.chain(others).enumerate();
        Routes(numbered.map(|(number, (template, is_work))| Route::new(template, number, is_work)).collect())
    }

    #[cfg(test)]
    pub(crate) fn all(&self) -> &[Route] {
        &self.0
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Where a path leads to.
    pub(crate) fn find(&self, path: &str) -> Option<&Route> {
        let mut said = [""; PARTS_MAX];
        let mut parts = path.split('/');
        let count = said.iter_mut().zip(&mut parts).map(|(place, part)| *place = part).count();
        let is_longer = parts.next().is_some();
        self.0.iter().find(|route| !is_longer && route.is_at(&said[..count]))
    }
}

impl Route {
    fn new(template: String, number: usize, is_work: bool) -> Route {
        let part = |part: &str| (!part.starts_with('{')).then(|| part.to_owned());
        let parts = template.split('/').map(part).collect::<Vec<_>>();
        assert!(parts.len() <= PARTS_MAX, "{template} has more parts than are looked at");
        Route { template, number, parts, is_work }
    }

    fn is_at(&self, said: &[&str]) -> bool {
        let last = self.parts.len() - 1;
        said.len() == self.parts.len()
            && said.iter().zip(&self.parts).enumerate().all(|(at, (said, part))| match part {
                Some(text) => said == text,
                // As the router has it: nothing is a text too, but for the last part.
                None => !said.is_empty() || at < last,
            })
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::Request;
    use axum::routing::any;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use crate::router::routes;

    /// The same as the router's own, of everything that is like a route.
    #[tokio::test]
    async fn a_path_leads_where_the_router_leads_it() {
        let routes = routes();
        let router = routes.0.iter().fold(Router::new(), |all, route| {
            let template = route.template.clone();
            all.route(&route.template, any(|| async { template }))
        });
        let mut paths =
            vec!["/nowhere".to_owned(), "//".to_owned(), "/v1".to_owned(), "/v1/topics/%2F/records".to_owned()];
        for route in &routes.0 {
            for text in ["x", "records", "", "a%20b", "x/y", "{topic}"] {
                let parts = route.parts.iter().map(|part| part.as_deref().unwrap_or(text));
                let path = parts.collect::<Vec<_>>().join("/");
                paths.extend([format!("{path}/"), format!("{path}x"), path.to_uppercase(), format!("/{path}"), path]);
            }
        }
        for path in paths {
            let Ok(request) = Request::get(&path).body(Body::empty()) else { continue };
            let found = routes.find(request.uri().path()).map(|route| route.template.clone());
            let answer = router.clone().oneshot(request).await.unwrap();
            let is_there = answer.status().is_success();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let expected = is_there.then(|| String::from_utf8(body.to_vec()).unwrap());
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn what_is_work_is_told_from_what_watches() {
        let routes = routes();
        for (path, is_work) in [("/v1/topics/t/records", true), ("/v1/status", true), ("/livez", false), ("/", false)] {
            assert_eq!(routes.find(path).map(|route| route.is_work), Some(is_work), "{path}");
        }
    }
}
