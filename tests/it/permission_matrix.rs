//! Losing and regaining the permission on tokens, in every combination: the kind of principal, how it holds the permission,
//! how it loses it, and what the workspace does then. The expectations are computed from the three versions of the
//! documentation, as quoted in [`Mode`].

use axum::http::Method;
use serde_json::json;

use crate::remedies::Case;
use crate::support::{
    Answer, CREATE, Client, DELETE, INVALID, Kind, LIST, ME, NO_PERMISSION, Person, World, on_every_store,
};

on_every_store!(the_matrix, who_has_another_way_loses_nothing, what_is_advised_gives_it_back);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// "Tokens become unusable; permission restored: the same tokens usable."
    Suspend,
    /// "A user left with neither level is denied, and active tokens are deleted at once."
    Delete,
    /// "Removed directly: deleted at once; lost indirectly (left the granting group): kept but unusable,
    /// the same tokens work when re-added."
    Mixed,
}

/// How a principal holds the permission: by its own entry, its group's, or that of its group's group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Direct,
    Group,
    Nested,
}

/// How the permission is lost; the opposite step restores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// The entry is removed, whether the principal's own or the granting group's.
    Entry,
    /// The principal leaves the innermost group.
    Leave,
    /// The inner group leaves the outer one.
    InnerLeaves,
    /// The granting group is deleted.
    GroupDeleted,
}

const LOSSES: &[(Way, &[Loss])] = &[
    (Way::Direct, &[Loss::Entry]),
    (Way::Group, &[Loss::Entry, Loss::Leave, Loss::GroupDeleted]),
    (Way::Nested, &[Loss::Entry, Loss::Leave, Loss::InnerLeaves, Loss::GroupDeleted]),
];

/// Whether the tokens are deleted permanently.
fn deletes(mode: Mode, way: Way) -> bool {
    match mode {
        Mode::Suspend => false,
        Mode::Delete => true,
        Mode::Mixed => way == Way::Direct,
    }
}

/// What the four rights of CAN USE answer: create, use, list one's own, revoke one's own.
async fn exercise(client: Client<'_>) -> [Answer; 4] {
    let created = client.post(CREATE, &json!({"comment": "spare"})).await;
    let id = if created.status == 200 { created.json()["token_info"]["token_id"].clone() } else { json!("none") };
    let (used, listed) = (client.get(ME).await, client.get(LIST).await);
    [created, used, listed, client.post(DELETE, &json!({"token_id": id})).await]
}

async fn all_allowed(client: Client<'_>, case: &str) {
    for answer in exercise(client).await {
        assert_eq!(answer.status, 200, "{case}: {answer:?}");
    }
}

/// A principal that may use tokens in one way only.
struct Cast {
    owner: Person,
    /// The innermost group first.
    groups: Vec<Person>,
}

impl Cast {
    async fn new(admin: Client<'_>, kind: Kind, way: Way, name: &str) -> Self {
        let owner = admin.principal(kind, name).await;
        let mut cast = Self { owner, groups: Vec::new() };
        let depth = match way {
            Way::Direct => 0,
            Way::Group => 1,
            Way::Nested => 2,
        };
        for level in 0..depth {
            let group = admin.group(&format!("{name}-{level}"), &[cast.holder()]).await;
            cast.groups.push(group);
        }
        admin.permit_only(&[cast.holder()]).await;
        cast
    }

    /// The principal whose entry gives the permission.
    fn holder(&self) -> &Person {
        self.groups.last().unwrap_or(&self.owner)
    }

    async fn lose(&self, admin: Client<'_>, loss: Loss) {
        match loss {
            Loss::Entry => drop(admin.permit_only(&[]).await),
            Loss::Leave => admin.leave(&self.groups[0], &self.owner).await,
            Loss::InnerLeaves => admin.leave(&self.groups[1], &self.groups[0]).await,
            Loss::GroupDeleted => admin.remove(self.holder()).await,
        }
    }

    async fn regain(&mut self, admin: Client<'_>, loss: Loss) {
        match loss {
            Loss::Entry => drop(admin.permit(&[self.holder()]).await),
            Loss::Leave => admin.join(&self.groups[0], &self.owner).await,
            Loss::InnerLeaves => admin.join(&self.groups[1], &self.groups[0]).await,
            Loss::GroupDeleted => {
                let name = self.groups.pop().unwrap().name;
                let group = admin.group(&name, &[self.holder()]).await;
                self.groups.push(group);
                admin.permit(&[self.holder()]).await;
            }
        }
    }
}

async fn the_matrix(world: World) {
    let admin = world.admin();
    let mut number = 0;
    for mode in [Mode::Suspend, Mode::Delete, Mode::Mixed] {
        world.behave(&json!({"permission_loss": format!("{mode:?}").to_lowercase()})).await;
        for kind in [Kind::User, Kind::ServicePrincipal] {
            for (way, losses) in LOSSES {
                for loss in *losses {
                    number += 1;
                    let case = format!("{kind:?} {way:?} {loss:?} {mode:?}");
                    let mut held = Cast::new(admin, kind, *way, &format!("owner{number}")).await;
                    let token = world.first_token(&held.owner).await;
                    let client = world.client(&token);
                    let (kept, id) = client.create(&json!({})).await;
                    all_allowed(client, &case).await;

                    let gone = deletes(mode, *way);
                    held.lose(admin, *loss).await;
                    for answer in exercise(client).await {
                        if gone {
                            answer.refused(403, 403, INVALID);
                        } else {
                            answer.refused(403, "PERMISSION_DENIED", NO_PERMISSION);
                        }
                    }
                    assert_eq!(admin.managed_ids().await.contains(&id), !gone, "{case}");

                    held.regain(admin, *loss).await;
                    if gone {
                        for token in [&token, &kept] {
                            world.client(token).get(ME).await.refused(403, 403, INVALID);
                        }
                        let fresh = world.first_token(&held.owner).await;
                        all_allowed(world.client(&fresh), &case).await;
                        assert_eq!(world.client(&fresh).own_ids().await.len(), 1, "{case}: only the new token");
                    } else {
                        all_allowed(client, &case).await;
                        all_allowed(world.client(&kept), &case).await;
                        assert_eq!(client.own_ids().await.len(), 2, "{case}: both tokens work again");
                    }
                }
            }
        }
    }
}

/// For every refusal of the matrix, carrying out its remedy makes the same request succeed.
async fn what_is_advised_gives_it_back(world: World) {
    let admin = world.admin();
    let mut number = 0;
    for mode in [Mode::Suspend, Mode::Delete, Mode::Mixed] {
        world.behave(&json!({"permission_loss": format!("{mode:?}").to_lowercase()})).await;
        for kind in [Kind::User, Kind::ServicePrincipal] {
            for (way, losses) in LOSSES {
                for loss in *losses {
                    number += 1;
                    let held = Cast::new(admin, kind, *way, &format!("advised{number}")).await;
                    let token = world.first_token(&held.owner).await;
                    let (method, path) = match number % 3 {
                        0 => (Method::POST, CREATE),
                        1 => (Method::GET, ME),
                        _ => (Method::GET, LIST),
                    };
                    held.lose(admin, *loss).await;
                    let by = if deletes(mode, *way) { "token_known" } else { "may_use_tokens" };
                    let case = Case::new(&world, method, path).by(held.owner.principal_id(), &token);
                    case.remedied(by).await;
                }
            }
        }
    }
}

/// Losing one of two ways to the permission changes nothing in any mode, and admins require none.
async fn who_has_another_way_loses_nothing(world: World) {
    let admin = world.admin();
    for mode in ["suspend", "delete", "mixed"] {
        world.behave(&json!({"permission_loss": mode})).await;
        for kind in [Kind::User, Kind::ServicePrincipal] {
            let owner = admin.principal(kind, &format!("two-ways-{mode}")).await;
            let team = admin.group(&format!("team-{mode}-{kind:?}"), &[&owner]).await;
            admin.permit_only(&[&owner, &team]).await;
            let token = world.first_token(&owner).await;
            for others in [&[&owner], &[&team]] {
                admin.permit_only(others).await;
                all_allowed(world.client(&token), mode).await;
                admin.permit(&[&owner, &team]).await;
            }
            admin.leave(&team, &owner).await;
            all_allowed(world.client(&token), mode).await;
        }
        admin.permit_only(&[]).await;
        all_allowed(admin, mode).await;
    }
}
