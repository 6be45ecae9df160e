"""Provisioning of users and groups by the tenant's identity provider (SCIM 2.0, RFC 7643 and RFC 7644)."""
