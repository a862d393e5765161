"""Tests of users, groups and service principals with the official SDK."""

import uuid

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, PermissionDenied, ResourceConflict
from databricks.sdk.service.iam import (
    ComplexValue,
    GetSortOrder,
    ListSortOrder,
    Name,
    Patch,
    PatchOp,
    PatchSchema,
)

PATCH = [PatchSchema.URN_IETF_PARAMS_SCIM_API_MESSAGES_2_0_PATCH_OP]

pytestmark = pytest.mark.usefixtures("server")


def values(elements):
    return sorted(element.value for element in elements or [])


def displays(elements):
    return sorted(element.display for element in elements or [])


def operation(op, path=None, value=None):
    return Patch(op=op, path=path, value=value)


def test_the_life_of_a_user():
    w = WorkspaceClient()
    made = w.users.create(
        user_name="ann@example.com",
        display_name="Ann",
        name=Name(given_name="Ann", family_name="Lee"),
        external_id="ext",
        entitlements=[ComplexValue(value="workspace-access")],
    )
    assert (made.user_name, made.display_name, made.active, made.external_id) == ("ann@example.com", "Ann", True, "ext")
    assert made.emails == [ComplexValue(value="ann@example.com", type="work", primary=True)]
    assert displays(made.groups) == ["users"]
    assert w.users.get(made.id) == made
    assert list(w.users.list(filter='userName eq "ANN@example.com"')) == [made]
    assert list(w.users.list(filter='userName eq "nobody@example.com"')) == []

    w.users.update(made.id, user_name="ann@example.com", display_name="Anna", active=True)
    replaced = w.users.get(made.id)
    assert (replaced.display_name, replaced.external_id, replaced.entitlements) == ("Anna", None, [])

    w.users.patch(
        made.id,
        schemas=PATCH,
        operations=[
            operation(PatchOp.ADD, "entitlements", [{"value": "allow-cluster-create"}]),
            operation(PatchOp.REPLACE, "name.givenName", "Anna"),
        ],
    )
    patched = w.users.get(made.id)
    assert values(patched.entitlements) == ["allow-cluster-create"]
    assert patched.name.given_name == "Anna"
    w.users.patch(made.id, operations=[operation(PatchOp.REMOVE, "entitlements")])
    assert w.users.get(made.id).entitlements == []

    w.users.delete(made.id)
    with pytest.raises(NotFound, match=f"User with id {made.id} not found."):
        w.users.get(made.id)
    again = w.users.create(user_name="ann@example.com")
    assert again.id == made.id, "the account must keep the user"


def test_the_life_of_a_service_principal():
    w = WorkspaceClient()
    made = w.service_principals.create(display_name="ci", active=True)
    assert uuid.UUID(made.application_id)
    assert w.service_principals.get(made.id) == made
    assert list(w.service_principals.list(filter=f"applicationId eq {made.application_id}")) == [made]
    w.service_principals.update(made.id, display_name="cd", active=True)
    replaced = w.service_principals.get(made.id)
    assert (replaced.display_name, replaced.application_id) == ("cd", made.application_id)
    w.service_principals.patch(made.id, operations=[operation(PatchOp.REPLACE, "active", "false")])
    assert not w.service_principals.get(made.id).active
    w.service_principals.delete(made.id)
    with pytest.raises(NotFound, match=f"Service principal with id {made.id} not found."):
        w.service_principals.delete(made.id)


def test_the_life_of_a_group():
    w = WorkspaceClient()
    ann = w.users.create(user_name="ann@example.com")
    principal = w.service_principals.create(display_name="pipeline")
    inner = w.groups.create(display_name="inner", members=[ComplexValue(value=ann.id)])
    outer = w.groups.create(display_name="outer", members=[ComplexValue(value=inner.id)])
    assert outer.meta.resource_type == "WorkspaceGroup"
    assert [member.ref for member in outer.members] == [f"Groups/{inner.id}"]
    groups = {group.display: group.type for group in w.users.get(ann.id).groups}
    assert groups == {"inner": "direct", "outer": "indirect", "users": "direct"}

    add = operation(PatchOp.ADD, value={"members": [{"value": principal.id}]})
    w.groups.patch(outer.id, schemas=PATCH, operations=[add])
    w.groups.patch(outer.id, schemas=PATCH, operations=[add])
    assert displays(w.groups.get(outer.id).members) == ["inner", "pipeline"]
    remove = operation(PatchOp.REMOVE, f'members[value eq "{inner.id}"]')
    w.groups.patch(outer.id, schemas=PATCH, operations=[remove])
    w.groups.patch(outer.id, schemas=PATCH, operations=[remove])
    assert displays(w.groups.get(outer.id).members) == ["pipeline"]

    w.groups.update(outer.id, display_name="renamed", members=[ComplexValue(value=ann.id)])
    [found] = w.groups.list(filter='displayName eq "renamed"')
    assert (found.id, values(found.members)) == (outer.id, [ann.id])
    w.groups.delete(outer.id)
    with pytest.raises(NotFound, match=f"Group with id {outer.id} not found."):
        w.groups.get(outer.id)


def test_lists_are_paged_and_sorted():
    w = WorkspaceClient()
    names = [f"user{i:02}@example.org" for i in range(25)]
    for name in reversed(names):
        w.users.create(user_name=name)
    mine = 'userName ew "example.org"'
    listed = w.users.list(filter=mine, count=4, sort_by="userName", sort_order=ListSortOrder.DESCENDING)
    assert [user.user_name for user in listed] == names[::-1]
    assert sorted(user.user_name for user in w.users.list(filter=mine)) == names
    [one] = w.users.list(filter=f"{mine} and userName sw user07", attributes="userName")
    assert (one.user_name, one.display_name) == ("user07@example.org", None)
    assert one.id == w.users.get(one.id, sort_by="userName", sort_order=GetSortOrder.ASCENDING).id


@pytest.mark.parametrize("api", ["users_v2", "groups_v2", "service_principals_v2"])
def test_the_sdks_v2_clients_list_them_too(api):
    assert list(getattr(WorkspaceClient(), api).list())


def test_conflicts():
    w = WorkspaceClient()
    w.users.create(user_name="ann@example.com")
    w.groups.create(display_name="ops")
    principal = w.service_principals.create(display_name="pipeline")
    for create, text in [
        (lambda: w.users.create(user_name="Ann@example.com"), "User with username Ann@example.com already exists."),
        (lambda: w.groups.create(display_name="ops"), "Group with name ops already exists."),
        (lambda: w.groups.create(display_name="admins"), "Group with name admins already exists."),
        (
            lambda: w.service_principals.create(application_id=principal.application_id),
            f"Service principal with application ID {principal.application_id} already exists.",
        ),
    ]:
        with pytest.raises(ResourceConflict) as caught:
            create()
        assert text in str(caught.value)
        assert caught.value.error_code == "SCIM_409"


def test_bad_requests():
    w = WorkspaceClient()
    with pytest.raises(BadRequest, match="invalidFilter The filter cannot be read"):
        list(w.users.list(filter="userName like x"))
    ann = w.users.create(user_name="ann@example.com")
    with pytest.raises(BadRequest, match="No such attribute with the name : color in the current resource"):
        w.users.patch(ann.id, operations=[operation(PatchOp.ADD, "color", "red")])
    [admins] = w.groups.list(filter="displayName eq admins")
    with pytest.raises(BadRequest, match="cannot be deleted"):
        w.groups.delete(admins.id)


def test_deactivating_yourself_locks_you_out():
    w = WorkspaceClient()
    me = w.current_user.me()
    token = w.tokens.create()
    mine = WorkspaceClient(token=token.token_value)
    w.users.patch(me.id, operations=[operation(PatchOp.REPLACE, "active", [{"value": "false"}])])
    with pytest.raises(PermissionDenied, match="Invalid access to Org"):
        mine.current_user.me()


def test_leaving_the_admins_group_removes_the_right():
    w = WorkspaceClient()
    me = w.current_user.me()
    [admins] = w.groups.list(filter="displayName eq admins")
    assert me.id in values(admins.members)
    w.groups.patch(admins.id, operations=[operation(PatchOp.REMOVE, f'members[value eq "{me.id}"]')])
    with pytest.raises(PermissionDenied, match=f"Requesting user '{me.user_name}' is not an admin."):
        w.users.create(user_name="ann@example.com")
    [seen] = w.users.list(filter=f"id eq {me.id}")
    assert (seen.user_name, seen.active, seen.groups) == (me.user_name, None, [])
