"""Users and groups as SCIM writes them: of the core schemas (RFC 7643 §4) what we keep, and nothing that we do not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import EmailStr, Field, StringConstraints, ValidationError
from scim2_models import (
    URN,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    Context,
    ETag,
    Filter,
    Meta,
    Mutability,
    Patch,
    PatchOp,
    Reference,
    Required,
    Resource,
    ResourceType,
    ResponseParameters,
    SCIMException,
    ScimPolicy,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)

from core.identity.scim.errors import ours
from core.identity.scim.model import ScimGroup, ScimUser
from core.tenants.model import User as UserRow

MOST_RESULTS = 200
POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)
"""As Entra and Okta write: they send attributes that nobody keeps, and values where the standard wants filters."""

Text = Annotated[str, StringConstraints(max_length=200)]
Short = Annotated[str, StringConstraints(max_length=100)]
Address = Annotated[str, StringConstraints(max_length=254)]
R = TypeVar("R", bound=Resource[Any])


class Name(ComplexAttribute):
    formatted: Text | None = None
    """The full name; told as `displayName`."""
    family_name: Text | None = None
    """The family name."""
    given_name: Text | None = None
    """The given name."""


class Email(ComplexAttribute):
    value: Address | None = None
    """The address; one of each user is kept: the primary one, else that of work, else the first."""
    type: Short | None = Field(None, examples=["work"])
    """Always work."""
    primary: bool | None = None
    """Always true of the one that is kept."""


class Role(ComplexAttribute):
    value: Annotated[str | None, Mutability.read_only] = None
    """The name of a role; roles come of groups by the tenant's settings."""


class Membership(ComplexAttribute):
    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    """The id of the group."""
    ref: Annotated[Reference[Group] | None, Mutability.read_only] = Field(None, alias="$ref")
    """Where the group is."""
    display: Annotated[str | None, Mutability.read_only] = None
    """What the group is called."""


class User(Resource[Any]):
    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[Address | None, Uniqueness.server, Required.true] = None
    """What the directory calls the user; his address where it says no other."""
    name: Name | None = None
    """The parts of the name."""
    display_name: Text | None = None
    """The name that people see."""
    active: bool | None = None
    """Whether the user may come in; false ends his sessions at once."""
    emails: list[Email] | None = None
    """The address that mails go to."""
    roles: Annotated[list[Role] | None, Mutability.read_only] = None
    """What the user may do."""
    groups: Annotated[list[Membership] | None, Mutability.read_only] = None
    """The groups that the user is in."""


class _NeededEmail(ComplexAttribute):
    value: Annotated[EmailStr | None, Required.true] = None
    """The address; one of each user is kept: the primary one, else that of work, else the first."""
    type: Short | None = Field(None, examples=["work"])
    """Always work."""
    primary: bool | None = None
    """Always true of the one that is kept."""


class _ShownName(ComplexAttribute):
    family_name: Text | None = None
    """The family name."""
    given_name: Text | None = None
    """The given name."""


class _Published(Resource[Any]):
    """What the schema says. A client that leaves out what it asks for is helped where its other words will do."""

    __schema__ = User.__schema__

    user_name: Annotated[Address | None, Uniqueness.server, Required.true] = None
    """What the directory calls the user."""
    name: _ShownName | None = None
    """The parts of the name."""
    display_name: Annotated[Text | None, Required.true] = None
    """The name that people see."""
    active: Annotated[bool | None, Required.true] = None
    """Whether the user may come in; false ends his sessions at once."""
    emails: Annotated[list[_NeededEmail] | None, Required.true] = None
    """The address that mails go to."""
    roles: Annotated[list[Role] | None, Mutability.read_only] = None
    """What the user may do; roles come of groups."""
    groups: Annotated[list[Membership] | None, Mutability.read_only] = None
    """The groups that the user is in."""


class Member(ComplexAttribute):
    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    """The id of a user."""
    ref: Annotated[Reference[User] | None, Mutability.immutable] = Field(None, alias="$ref")
    """Where the user is."""


class Group(Resource[Any]):
    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[Short | None, Uniqueness.server, Required.true] = None
    """What the group is called: a team, or what gives a role by the tenant's settings."""
    members: list[Member] | None = None
    """Users; groups do not lie in groups."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user with what the directory says of him; `scim` None: it has not spoken of him yet."""

    user: UserRow
    scim: ScimUser | None

    @property
    def user_name(self) -> str:
        return self.scim.user_name if self.scim else self.user.email


def user(account: Account, groups: Sequence[ScimGroup], base: str) -> User:
    row, said = account.user, account.scim
    memberships = [
        Membership(value=str(one.id), ref=f"{base}/Groups/{one.id}", display=one.display_name) for one in groups
    ]
    name = Name(given_name=said.given_name, family_name=said.family_name) if said else None
    return User(
        id=str(row.id), external_id=said.external_id if said else None, user_name=account.user_name, name=name,
        display_name=row.name, active=row.is_active, emails=[Email(value=row.email, type="work", primary=True)],
        roles=[Role(value=role) for role in row.roles], groups=memberships or None,
        meta=_meta("User", row.id, base, row.created_at, said.changed_at if said else row.created_at),
    )  # fmt: skip


def group(row: ScimGroup, members: Sequence[UserRow], base: str) -> Group:
    shown = [Member(value=str(one.id), ref=f"{base}/Users/{one.id}") for one in members]
    return Group(
        id=str(row.id), external_id=row.external_id, display_name=row.display_name, members=shown or None,
        meta=_meta("Group", row.id, base, row.created_at, row.changed_at),
    )  # fmt: skip


def _meta(kind: str, row_id: UUID, base: str, created: datetime, changed: datetime) -> Meta:
    return Meta(
        resource_type=kind, created=created, last_modified=changed, location=f"{base}/{kind}s/{row_id}"
    )  # fmt: skip


def version(resource: Resource[Any]) -> str:
    """A strong tag over all that is shown of it."""
    whole = resource.model_dump_json(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    return f'"{hashlib.sha256(whole.encode()).hexdigest()[:32]}"'


def dump(resource: Resource[Any], shown: ResponseParameters[Any] | None = None) -> tuple[dict[str, Any], str]:
    """(JSON, version)."""
    tag = version(resource)
    copy = resource.model_copy(deep=True)
    if copy.meta is not None:
        copy.meta.version = tag
    return copy.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=shown), tag


def read(kind: type[R], body: Any, context: Context) -> R:
    """Raises `BadInput`."""
    try:
        return kind.model_validate(body, scim_ctx=context, scim_policy=POLICY)
    except (SCIMException, ValidationError) as error:
        raise ours(error) from None


def replaced(wanted: R, present: R) -> R:
    """What PUT makes of it: what is read-only stays. Raises `BadInput`."""
    try:
        with POLICY:
            wanted.replace(present)
    except (SCIMException, ValidationError) as error:
        raise ours(error) from None
    return wanted


def patched(kind: type[R], body: Any, present: R) -> R:
    """What PATCH makes of it. Raises `BadInput`, or `Conflict` as the standard says."""
    after = present.model_copy(deep=True)
    try:
        operations: Any = PatchOp[kind].model_validate(  # type: ignore[valid-type]
            body, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY
        )
        operations.patch(after, scim_policy=POLICY)
    except (SCIMException, ValidationError) as error:
        raise ours(error) from None
    return after


def parameters(kind: type[Resource[Any]], shown: str | None, hidden: str | None) -> ResponseParameters[Any] | None:
    """`attributes` and `excludedAttributes` of a request. Raises `BadInput`."""
    wanted = {"attributes": shown, "excludedAttributes": hidden}
    lists = {name: [one.strip() for one in said.split(",")] for name, said in wanted.items() if said}
    if not lists:
        return None
    try:
        made: ResponseParameters[Any] = ResponseParameters[kind].model_validate(  # type: ignore[valid-type]
            lists, scim_policy=POLICY
        )
        return made
    except (SCIMException, ValidationError) as error:
        raise ours(error) from None


# ── what there is ────────────────────────────────────────────────────────────────────────────────────────────────────


def config(base: str) -> ServiceProviderConfig:
    bearer = AuthenticationScheme(
        type="oauthbearertoken", name="Bearer token", primary=True,
        description="A provisioning token, made by an administrator by POST /v1/scim/tokens",
        spec_uri="https://www.rfc-editor.org/info/rfc6750",
    )  # fmt: skip
    return ServiceProviderConfig(
        patch=Patch(supported=True), bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=MOST_RESULTS), change_password=ChangePassword(supported=False),
        sort=Sort(supported=False), etag=ETag(supported=True), authentication_schemes=[bearer],
        meta=Meta(resource_type="ServiceProviderConfig", location=f"{base}/ServiceProviderConfig"),
    )  # fmt: skip


def schemas(base: str) -> list[Resource[Any]]:
    found: list[Resource[Any]] = []
    for kind in (_Published, Group):
        schema = kind.to_schema()
        schema.meta = Meta(resource_type="Schema", location=f"{base}/Schemas/{schema.id}")
        found.append(schema)
    return found


def resource_types(base: str) -> list[Resource[Any]]:
    found: list[Resource[Any]] = []
    for kind in (User, Group):
        about = ResourceType.from_resource(kind)
        about.meta = Meta(resource_type="ResourceType", location=f"{base}/ResourceTypes/{about.id}")
        found.append(about)
    return found
