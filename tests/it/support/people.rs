//! What administrators do through the emulated API, one line each: principals, their groups, permissions and tokens,
//! and the workspace's configuration.

use axum::http::Method;
use dapi_mock::domain::PrincipalId;
use serde_json::{Value, json};

use super::{Answer, CONF, Client, MANAGED, ME, ON_BEHALF_OF, PERMISSIONS, World};

/// The entry that every replacing list must contain.
pub(crate) fn admins_may_manage() -> Value {
    json!({"group_name": "admins", "permission_level": "CAN_MANAGE"})
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    ServicePrincipal,
    Group,
}

/// A user, service principal or group, as the APIs name it.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    /// `userName`, `applicationId` or `displayName`.
    pub(crate) name: String,
}

impl Person {
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.kind.collection(), self.id)
    }

    pub(crate) fn principal_id(&self) -> PrincipalId {
        PrincipalId::parse(&self.id).unwrap()
    }

    /// Its entry in an access control list.
    pub(crate) fn may(&self, level: &str) -> Value {
        let key = match self.kind {
            Kind::User => "user_name",
            Kind::ServicePrincipal => "service_principal_name",
            Kind::Group => "group_name",
        };
        json!({key: self.name, "permission_level": level})
    }
}

impl Kind {
    pub(crate) fn collection(self) -> &'static str {
        match self {
            Self::User => "/api/2.0/preview/scim/v2/Users",
            Self::ServicePrincipal => "/api/2.0/preview/scim/v2/ServicePrincipals",
            Self::Group => "/api/2.0/preview/scim/v2/Groups",
        }
    }

    /// The SCIM attribute that holds the name.
    pub(crate) fn name_attribute(self) -> &'static str {
        match self {
            Self::User => "userName",
            Self::ServicePrincipal => "applicationId",
            Self::Group => "displayName",
        }
    }
}

impl Client<'_> {
    pub(crate) async fn works(&self) -> bool {
        self.get(ME).await.status == 200
    }

    pub(crate) async fn user(&self, name: &str) -> Person {
        self.add(Kind::User, &json!({"userName": name})).await
    }

    pub(crate) async fn robot(&self, name: &str) -> Person {
        self.add(Kind::ServicePrincipal, &json!({"displayName": name})).await
    }

    pub(crate) async fn principal(&self, kind: Kind, name: &str) -> Person {
        match kind {
            Kind::User => self.user(&format!("{name}@example.com")).await,
            Kind::ServicePrincipal => self.robot(name).await,
            Kind::Group => self.group(name, &[]).await,
        }
    }

    pub(crate) async fn group(&self, name: &str, members: &[&Person]) -> Person {
        let members: Vec<Value> = members.iter().map(|member| json!({"value": member.id})).collect();
        self.add(Kind::Group, &json!({"displayName": name, "members": members})).await
    }

    pub(crate) async fn add(&self, kind: Kind, body: &Value) -> Person {
        let answer = self.post(kind.collection(), body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let text = |key: &str| answer.json()[key].as_str().unwrap().to_owned();
        Person { kind, id: text("id"), name: text(kind.name_attribute()) }
    }

    pub(crate) async fn change(&self, person: &Person, operation: &Value) {
        let answer = self.patch(&person.path(), &json!({"Operations": [operation]})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub(crate) async fn join(&self, group: &Person, member: &Person) {
        self.change(group, &json!({"op": "add", "path": "members", "value": [{"value": member.id}]})).await;
    }

    pub(crate) async fn leave(&self, group: &Person, member: &Person) {
        self.change(group, &json!({"op": "remove", "path": format!("members[value eq \"{}\"]", member.id)})).await;
    }

    pub(crate) async fn remove(&self, person: &Person) {
        assert_eq!(self.call(Method::DELETE, &person.path(), "").await.status, 204);
    }

    /// Replaces the permissions on tokens: these, and nobody else, CAN USE.
    pub(crate) async fn permit_only(&self, people: &[&Person]) -> Value {
        self.change_permissions(Method::PUT, people).await
    }

    /// Adds to the permissions on tokens.
    pub(crate) async fn permit(&self, people: &[&Person]) -> Value {
        self.change_permissions(Method::PATCH, people).await
    }

    pub(crate) async fn change_permissions(&self, method: Method, people: &[&Person]) -> Value {
        let list = people.iter().map(|person| person.may("CAN_USE")).chain([admins_may_manage()]);
        let list: Vec<Value> = list.collect();
        let answer = self.call(method, PERMISSIONS, json!({"access_control_list": list}).to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(crate) async fn configure(&self, values: &Value) {
        let answer = self.patch(CONF, values).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""), "{answer:?}");
    }

    pub(crate) async fn enable_tokens(&self, enabled: bool) {
        self.configure(&json!({"enableTokensConfig": enabled.to_string()})).await;
    }

    /// Creates a token on behalf of a service principal, and returns its value and id.
    pub(crate) async fn create_for(&self, robot: &Person, lifetime_seconds: Option<i64>) -> (String, String) {
        let body =
            json!({"application_id": robot.name, "lifetime_seconds": lifetime_seconds, "comment": "for a robot"});
        let answer = self.post(ON_BEHALF_OF, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&json["token_value"]), text(&json["token_info"]["token_id"]))
    }

    pub(crate) async fn managed(&self, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("{MANAGED}{query}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["token_infos"].as_array().unwrap().clone()
    }

    /// The ids of everybody's tokens, sorted.
    pub(crate) async fn managed_ids(&self) -> Vec<String> {
        let rows = self.managed("").await;
        let mut ids: Vec<String> = rows.iter().map(|row| row["token_id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    }

    pub(crate) async fn revoke(&self, id: &str) -> Answer {
        self.call(Method::DELETE, &format!("{MANAGED}/{id}"), "").await
    }
}

impl World {
    /// A first token: a service principal's is created on its behalf; a user's is inserted, because users would sign in to
    /// a page for it.
    pub(crate) async fn first_token(&self, person: &Person) -> String {
        match person.kind {
            Kind::ServicePrincipal => self.admin().create_for(person, None).await.0,
            _ => self.mint(person.principal_id(), |_| {}).await,
        }
    }
}

/// The id of a SCIM resource.
pub(crate) fn id_of(resource: &Value) -> PrincipalId {
    PrincipalId::parse(resource["id"].as_str().unwrap()).unwrap()
}

/// The path of a SCIM resource in its collection.
pub(crate) fn at(collection: &str, resource: &Value) -> String {
    format!("{collection}/{}", resource["id"].as_str().unwrap())
}

/// The values of one key of each element, sorted.
pub(crate) fn each(list: &Value, key: &str) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut values: Vec<String> = list.iter().map(|element| element[key].as_str().unwrap().to_owned()).collect();
    values.sort();
    values
}
