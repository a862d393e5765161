//! SCIM's query parameters. See docs/reference/scim.md#query-parameters.

use axum::extract::{FromRequestParts, Query as UrlQuery};
use axum::http::Uri;
use axum::http::request::Parts;
use serde_json::{Map, Value};

use crate::domain::Denial;
use crate::domain::scim::{Fault, Filter, Query, sort_attribute};
use crate::http::error::ApiError;

/// Python writes spaces as `+`, Terraform as `%20`. A parameter without a value counts as absent.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn of(uri: &Uri) -> Self {
        Self(UrlQuery::try_from_uri(uri).map(|UrlQuery(pairs)| pairs).unwrap_or_default())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim());
        value.filter(|value| !value.is_empty())
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Denial> {
        let parsed = self.get(name).map(|text| text.parse().map_err(|_| invalid(name, "a number")));
        parsed.transpose()
    }

    fn names(&self, name: &str) -> Vec<String> {
        let list = self.get(name).into_iter().flat_map(|list| list.split(','));
        list.map(|name| top_level(name.trim())).filter(|name| !name.is_empty()).collect()
    }
}

fn invalid(name: &str, expected: &str) -> Denial {
    Denial::Scim(Fault::InvalidValue, format!("{name}: expected {expected}."))
}

/// The top-level attribute of a path, in lower case. Answering more than requested does no harm.
fn top_level(path: &str) -> String {
    let name = path.rsplit(':').next().unwrap_or(path);
    name.split('.').next().unwrap_or(name).to_lowercase()
}

#[derive(Clone, Debug)]
pub struct ListQuery(pub Query);

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self(list_query(&Parameters::of(&parts.uri))?))
    }
}

fn list_query(parameters: &Parameters) -> Result<Query, Denial> {
    let order = parameters.get("sortOrder").unwrap_or("ascending").to_lowercase();
    if !matches!(order.as_str(), "ascending" | "descending") {
        return Err(invalid("sortOrder", "ascending or descending"));
    }
    Ok(Query {
        filter: parameters.get("filter").map(Filter::parse).transpose()?,
        sort_by: parameters.get("sortBy").map(sort_attribute).transpose()?,
        descending: order == "descending",
        start_index: parameters.number("startIndex")?.unwrap_or(1),
        count: parameters.number("count")?,
    })
}

/// The attributes of a resource that the client requests.
#[derive(Clone, Debug)]
pub struct Projection {
    included: Vec<String>,
    excluded: Vec<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Projection {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let parameters = Parameters::of(&parts.uri);
        Ok(Self { included: parameters.names("attributes"), excluded: parameters.names("excludedAttributes") })
    }
}

impl Projection {
    /// The name is in lower case.
    pub fn shows(&self, name: &str) -> bool {
        let is_in = |names: &[String]| names.iter().any(|known| known == name);
        (self.included.is_empty() || is_in(&self.included)) && !is_in(&self.excluded)
    }

    /// The requested part of a resource. Terraform reads a service principal's `applicationId` even if it did not
    /// request it.
    pub fn of(&self, mut resource: Map<String, Value>) -> Map<String, Value> {
        resource.retain(|key, _| {
            let name = key.to_lowercase();
            let always = matches!(key.as_str(), "schemas" | "id" | "applicationId");
            always || self.shows(&name)
        });
        resource
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::of(&format!("/x?{query}").parse().unwrap())
    }

    #[test]
    fn parameters_are_read_as_clients_write_them() {
        for query in [
            "filter=userName+eq+%22me%40x%22&startIndex=2&count=10000",
            "count=10000&filter=userName%20eq%20me@x&startIndex=2",
        ] {
            let query = list_query(&parameters(query)).unwrap();
            assert_eq!(query.filter, Some(Filter::parse("userName eq \"me@x\"").unwrap()));
            assert_eq!((query.start_index, query.count, query.sort_by), (2, Some(10_000), None));
        }
        let query = list_query(&parameters("sortBy=NAME.givenName&sortOrder=Descending&filter=&count=")).unwrap();
        assert!(query.descending && query.sort_by.is_some() && query.filter.is_none() && query.count.is_none());
        for bad in
            ["startIndex=x", "count=1.5", "count=99999999999999999999", "sortOrder=up", "sortBy=color", "filter=x"]
        {
            assert!(list_query(&parameters(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_projection_keeps_the_attributes_that_clients_rely_on() {
        let projected = |query: &str| {
            let parameters = parameters(query);
            let projection = Projection {
                included: parameters.names("attributes"),
                excluded: parameters.names("excludedAttributes"),
            };
            let resource =
                json!({"schemas": [], "id": "1", "applicationId": "a", "displayName": "d", "name": {}, "roles": []});
            let Value::Object(resource) = resource else { unreachable!() };
            projection.of(resource).keys().map(String::as_str).collect::<Vec<_>>().join(",")
        };
        assert_eq!(projected(""), "applicationId,displayName,id,name,roles,schemas");
        assert_eq!(projected("attributes=DISPLAYNAME,%20name.givenName"), "applicationId,displayName,id,name,schemas");
        assert_eq!(projected("excludedAttributes=roles,id,applicationId"), "applicationId,displayName,id,name,schemas");
        assert_eq!(
            projected("attributes=urn:ietf:params:scim:schemas:core:2.0:User:roles"),
            "applicationId,id,roles,schemas"
        );
    }
}
