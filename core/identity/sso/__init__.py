"""Single sign-on with a tenant's own identity provider (OpenID Connect Core 1.0, code flow with PKCE)."""
