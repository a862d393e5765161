-- {"users": ["ann@example.com"], "groups": {"inner": ["2050195984956270", "6762160804062956"], "outer": ["4863615535142957"]}, "robot": {"value": "dapi61117eb9387e195a11c1fd15bbfcf298", "id": "6a35d03b0597b2a3cd2e24f8fa5d21644e345daabf17781f33c2784c966e21d2"}, "suspended": {"value": "dapie0c60cb4dd4532f2c8972dc83993ea26", "id": "200d52af17bbd0f6d8d6daad5a0d227c100114e9aff21802c82d5eee5b6eedf1"}, "expired": {"value": "dapif0dffcc2c1e0ca0adfe825a301c4e625", "id": "00898000d94d0b289e04fe176709bc2bd5ed591ec9865ef5c51201047828a06d"}, "revoked": {"value": "dapi6193cc497d7262b4cad0aedaf99e8a4e", "id": "b886a9f7f2d49f5be98282ff8a0593b37fca4b878dbf574f926fa86fd891445b"}, "conf": {"maxTokenLifetimeDays": "60"}, "live": {"value": "dapi0b744565b88e5730b471dbb7c49a6a50", "id": "6f72bb43408bf9dbd6dd5d7e1c6f0df0c79dbc481f2917b2db21aa4523fe32d4"}, "scoped": {"value": "dapi17e86326e9ab3d0ae8ff7b2493b5561a", "id": "c371355d340f473c0bc13247608c491f39ea6ebd90efedf8cc0b0ed440159385"}, "client": ["3eb31c4b-fa02-465e-b6b9-386712293158", "dose283249a4d6b49b430b0fb3a5cf5557cc"], "access_token": "eyJraWQiOiIzYjRlYTZlMTkzN2Q2MDIxNzBmMzE2NTYzZTZlMDZmYjhlYTU3NjkxMDhjMDJjZTEyZWQxMTVhYjkzZTVhOWNjIiwidHlwIjoiYXQrand0IiwiYWxnIjoiUlMyNTYifQ.eyJjbGllbnRfaWQiOiIzZWIzMWM0Yi1mYTAyLTQ2NWUtYjZiOS0zODY3MTIyOTMxNTgiLCJzY29wZSI6ImFsbC1hcGlzIiwiaXNzIjoiaHR0cDovLzEyNy4wLjAuMTo0NTEwMS9vaWRjIiwiYXVkIjoiMzI3NDMyNzQzMjc0MzI3NCIsInN1YiI6IjNlYjMxYzRiLWZhMDItNDY1ZS1iNmI5LTM4NjcxMjI5MzE1OCIsImlhdCI6MTc5NTU0MjA4MywiZXhwIjoxNzk1NTQ1NjgzLCJqdGkiOiJkODNhYTYwOC0zMTQwLTRjZjktODQ4MC00Njc4YzBhNTZkYTMifQ.NaTTEbWZda3MbFOGpZIy8GTxoOSWPZ_f79FwUydL6Sj6np4BZLJzmoQFzsrIj23-muAJm3iwgDov0edGiaIsUHwuPp6qSLQPMMwdKp9jsT-qzj77qLKsC7mNhHfFroETOVSMp-Y0Lh5S-CAG336hMJMop9IdCGv6VpteORUIrlmswTlPB2_SMPa0cdn3yFFdld2LM2kx9fQBFbOwCsy4p44mQEGCb36FJBxpu7ELgmnsp0HT5yOfqbDUA7FN8YCp08_zVDrB-XhGf0GqIbPm7FmcZgaTLaLXO9AH7KHb4LW6Ux4hkfW1AiMmYyJZmBCUpvtSKYebkKx4UxbEF5Uekw", "setting": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "checkpoint": {"kept": "dapi2d110eff77a05fee36f0274ac63e59cb", "lost": "dapi3cd5cdbf317392e95bd9dba5b5b1eb0e"}, "decoy": "dapi3d41d1ad73eb9978e784a78b19bb47e0", "fault": "/api/2.0/token/list", "refresh_token": "dort0b0d508566084786b6601197c36c417577cf035055bb9e8b07dd2797f67969d6f007d140410e051d4d0d9b5ba916fb7a", "audit_events": 28, "made_at": 1795534883483}
CREATE SCHEMA dapi_mock_fixture;
CREATE TABLE dapi_mock_fixture._sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);
CREATE TABLE dapi_mock_fixture.accounts (
    account_id text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL
);
CREATE TABLE dapi_mock_fixture.audit_events (
    sequence bigint NOT NULL,
    workspace_id bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    event_time bigint NOT NULL,
    account_id text NOT NULL COLLATE pg_catalog."C",
    service_name text NOT NULL COLLATE pg_catalog."C",
    action_name text NOT NULL COLLATE pg_catalog."C",
    actor text COLLATE pg_catalog."C",
    request_id text NOT NULL COLLATE pg_catalog."C",
    source_ip text NOT NULL COLLATE pg_catalog."C",
    user_agent text NOT NULL COLLATE pg_catalog."C",
    request_params text NOT NULL COLLATE pg_catalog."C",
    status_code bigint NOT NULL,
    error_message text COLLATE pg_catalog."C",
    account_level boolean DEFAULT false NOT NULL
);
ALTER TABLE dapi_mock_fixture.audit_events ALTER COLUMN sequence ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME dapi_mock_fixture.audit_events_sequence_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE dapi_mock_fixture.checkpoint_rows (
    workspace_id bigint NOT NULL,
    checkpoint_name text NOT NULL COLLATE pg_catalog."C",
    table_name text NOT NULL COLLATE pg_catalog."C",
    is_account boolean NOT NULL,
    content jsonb NOT NULL
);
CREATE TABLE dapi_mock_fixture.checkpoints (
    workspace_id bigint NOT NULL,
    checkpoint_name text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    has_account boolean NOT NULL
);
CREATE TABLE dapi_mock_fixture.decoys (
    workspace_id bigint NOT NULL,
    decoy_id text NOT NULL,
    comment text NOT NULL,
    created_at bigint NOT NULL,
    uses bigint DEFAULT 0 NOT NULL,
    last_used_at bigint,
    last_client text,
    last_ip text
);
CREATE TABLE dapi_mock_fixture.faults (
    workspace_id bigint NOT NULL,
    fault_id bigint NOT NULL,
    rule text NOT NULL,
    seen bigint DEFAULT 0 NOT NULL
);
CREATE TABLE dapi_mock_fixture.group_members (
    account_id text NOT NULL COLLATE pg_catalog."C",
    group_id bigint NOT NULL,
    member_id bigint NOT NULL
);
CREATE TABLE dapi_mock_fixture.oauth_keys (
    kid text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    modulus text NOT NULL COLLATE pg_catalog."C",
    private_key text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL
);
CREATE TABLE dapi_mock_fixture.oauth_secrets (
    account_id text NOT NULL COLLATE pg_catalog."C",
    principal_id bigint NOT NULL,
    secret_id text NOT NULL COLLATE pg_catalog."C",
    secret_hash text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE dapi_mock_fixture.page_sessions (
    session_hash text NOT NULL,
    workspace_id bigint NOT NULL,
    account_id text NOT NULL,
    whole_account boolean NOT NULL,
    principal_id bigint NOT NULL,
    began_at bigint NOT NULL
);
CREATE TABLE dapi_mock_fixture.principals (
    account_id text NOT NULL COLLATE pg_catalog."C",
    principal_id bigint NOT NULL,
    workspace_id bigint NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    name_key text NOT NULL COLLATE pg_catalog."C",
    display_name text NOT NULL COLLATE pg_catalog."C",
    active boolean NOT NULL,
    account_admin boolean NOT NULL,
    external_id text COLLATE pg_catalog."C",
    attributes text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL
);
CREATE TABLE dapi_mock_fixture.rule_sets (
    account_id text NOT NULL COLLATE pg_catalog."C",
    rule_set_name text NOT NULL COLLATE pg_catalog."C",
    grant_rules text NOT NULL COLLATE pg_catalog."C",
    etag text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE dapi_mock_fixture.sign_ins (
    sign_in_id text NOT NULL COLLATE pg_catalog."C",
    workspace_id bigint NOT NULL,
    account_id text NOT NULL COLLATE pg_catalog."C",
    whole_account boolean NOT NULL,
    client_id text NOT NULL COLLATE pg_catalog."C",
    redirect_uri text NOT NULL COLLATE pg_catalog."C",
    client_state text COLLATE pg_catalog."C",
    scope text NOT NULL COLLATE pg_catalog."C",
    code_challenge text NOT NULL COLLATE pg_catalog."C",
    stage text NOT NULL COLLATE pg_catalog."C",
    principal_id bigint,
    secret_hash text NOT NULL COLLATE pg_catalog."C",
    turn_hash text COLLATE pg_catalog."C",
    expires_at bigint NOT NULL
);
CREATE TABLE dapi_mock_fixture.token_acl (
    workspace_id bigint NOT NULL,
    principal_id bigint NOT NULL,
    permission_level text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE dapi_mock_fixture.tokens (
    token_id text NOT NULL COLLATE pg_catalog."C",
    workspace_id bigint NOT NULL,
    owner_id bigint NOT NULL,
    created_by_id bigint NOT NULL,
    created_by_username text NOT NULL COLLATE pg_catalog."C",
    comment text NOT NULL COLLATE pg_catalog."C",
    creation_time bigint NOT NULL,
    expiry_time bigint,
    last_used_at bigint,
    last_client text COLLATE pg_catalog."C",
    idle_from bigint NOT NULL,
    scopes text COLLATE pg_catalog."C",
    autoscope_state text COLLATE pg_catalog."C",
    inferred_scopes text COLLATE pg_catalog."C"
);
CREATE TABLE dapi_mock_fixture.tombstones (
    token_id text NOT NULL COLLATE pg_catalog."C",
    workspace_id bigint NOT NULL,
    owner_id bigint NOT NULL,
    created_by_id bigint NOT NULL,
    created_by_username text NOT NULL COLLATE pg_catalog."C",
    comment text NOT NULL COLLATE pg_catalog."C",
    creation_time bigint NOT NULL,
    expiry_time bigint,
    last_used_at bigint,
    last_client text COLLATE pg_catalog."C",
    ended_at bigint NOT NULL,
    cause text NOT NULL COLLATE pg_catalog."C",
    actor text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE dapi_mock_fixture.workspace_assignments (
    workspace_id bigint NOT NULL,
    principal_id bigint NOT NULL,
    active boolean NOT NULL,
    entitlements text NOT NULL COLLATE pg_catalog."C",
    roles text NOT NULL COLLATE pg_catalog."C",
    direct boolean DEFAULT true NOT NULL
);
CREATE TABLE dapi_mock_fixture.workspace_conf (
    workspace_id bigint NOT NULL,
    conf_key text NOT NULL COLLATE pg_catalog."C",
    conf_value text NOT NULL COLLATE pg_catalog."C",
    previous_value text COLLATE pg_catalog."C",
    effective_at bigint NOT NULL
);
CREATE TABLE dapi_mock_fixture.workspace_settings (
    workspace_id bigint NOT NULL,
    setting_name text NOT NULL COLLATE pg_catalog."C",
    setting_value text NOT NULL COLLATE pg_catalog."C",
    etag text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE dapi_mock_fixture.workspaces (
    workspace_id bigint NOT NULL,
    account_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    deployment_name text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    is_default boolean NOT NULL,
    admins_group_id bigint NOT NULL,
    users_group_id bigint NOT NULL,
    clock_mode text NOT NULL COLLATE pg_catalog."C",
    clock_value bigint NOT NULL,
    behaviour text NOT NULL COLLATE pg_catalog."C",
    delete_at bigint,
    entropy_seed bigint,
    entropy_drawn bigint DEFAULT 0 NOT NULL,
    incarnation bigint DEFAULT 0 NOT NULL
);
INSERT INTO dapi_mock_fixture._sqlx_migrations VALUES
	(1, 'init', '2026-11-24 15:41:23.207039+00', true, '\xaaf01505b721542a2657cae640ca3934f1e02e1bbc1f7f53b52cc729b77628859bd11dfe0b65c8474c0f63c512a4074e', 18722470),
	(2, 'oauth', '2026-11-24 15:41:23.207039+00', true, '\x0e007120e505aa908523f201695e7889b53757dd392e3a3f0b20b19e0b1691d61f7cae4d5586439412645f606477b2a1', 3323985),
	(3, 'settings', '2026-11-24 15:41:23.207039+00', true, '\x88947f2249714c9a2b377acfdc501fad5940ef8cc6926256ac08ad894cc2f4098fba3103352f64ceb05798a086d0f96e', 2848782),
	(4, 'sign in', '2026-11-24 15:41:23.207039+00', true, '\x786d061d9e6465061343525ecdc8cc1f500dfe04b3fb4313814fd10ecb8fa1987cef00ab60672974bc424df3de2a326e', 1832903),
	(5, 'account', '2026-11-24 15:41:23.207039+00', true, '\xd712bf4ae83c63a78fcec45d53166cf11b9e8a4031aa07aebe39ad07c695fdcf16ec9688a7f625877dacc425466c7eb6', 765992),
	(6, 'token report', '2026-11-24 15:41:23.207039+00', true, '\xfce233d14507693de975fa0e76a1a31c8f800a0607f6de0ade56122a4e742e06b1458a995bfd644362f1792acee5d6ae', 2309372),
	(7, 'worlds', '2026-11-24 15:41:23.207039+00', true, '\x2d1c18a73a51730112337050fc7762f766d72c599e14dabfe2253a8a3af9df06d8ace57ed0117cb03bbc4c8979f2729c', 2390003),
	(8, 'faults', '2026-11-24 15:41:23.207039+00', true, '\xa1ae937a7de5cc6e06119bd70671c34dfd01191f7b1fa092c6ac67d287830fe0b1fa67cee53c4ad7cdf8c3e81a6ecb5d', 1387818),
	(9, 'decoys', '2026-11-24 15:41:23.207039+00', true, '\x52367a09d43563bc5515614d21a0f26340554bbd044018e0ff84b8f35072a5a87cc797a3125082daf86d13e6c34a5fc1', 1250925),
	(10, 'incarnation', '2026-11-24 15:41:23.207039+00', true, '\xf4441ded33922c6f39e6fe3fa855d37e7493c9fdccb17c08e248cea4d5f7a58315d0135cc9fd01ca6c01fedd9598ef24', 510160),
	(11, 'page sessions', '2026-11-24 15:41:23.207039+00', true, '\x9e1579fdcb690a1a95d34624d203afefc46dd4d5517f6242076e31fd2a6c514ad9aced406b490305ba3cff757cfcfd54', 1433437);
INSERT INTO dapi_mock_fixture.accounts VALUES
	('32743274-3274-4274-8274-327432743274', 1795534883266),
	('67edf787-18e7-4167-b2f1-27b50cd3fbbb', 1795534883447);
INSERT INTO dapi_mock_fixture.audit_events OVERRIDING SYSTEM VALUE VALUES
	(1, 3274327432743274, 'af7f1882-c925-4143-af6b-6b08744f2cdb', 1795534883296, '32743274-3274-4274-8274-327432743274', 'accounts', 'tokenLogin', 'admin@example.com', 'de452ca0-0fd5-46c9-8852-2fd360cb05b8', '127.0.0.1', 'Python-urllib/3.11', '{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}', 200, NULL, false),
	(2, 3274327432743274, 'a2d656f2-e756-4d31-a552-e244ebb172e9', 1795534883296, '32743274-3274-4274-8274-327432743274', 'accounts', 'add', 'admin@example.com', 'de452ca0-0fd5-46c9-8852-2fd360cb05b8', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetUserId":"2050195984956270","targetUserName":"3eb31c4b-fa02-465e-b6b9-386712293158"}', 200, NULL, false),
	(3, 3274327432743274, '3a0c2e92-2d2d-4df2-9a38-f50be7593c4d', 1795534883310, '32743274-3274-4274-8274-327432743274', 'accounts', 'add', 'admin@example.com', '2a2e97ac-060d-47d6-9773-43eceb0acd95', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetUserId":"5338664036967202","targetUserName":"9dd5321a-2404-4f25-b447-00b35c9ed2f0"}', 200, NULL, false),
	(4, 3274327432743274, '12b6e439-b715-4e19-86ac-293cfa336929', 1795534883315, '32743274-3274-4274-8274-327432743274', 'accounts', 'add', 'admin@example.com', 'ce8076d0-69c6-4b63-aa4d-bd6ba466da23', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetUserId":"6762160804062956","targetUserName":"ann@example.com"}', 200, NULL, false),
	(5, 3274327432743274, '54fd8176-17c6-4da2-81ec-46303f9184f2', 1795534883319, '32743274-3274-4274-8274-327432743274', 'accounts', 'createGroup', 'admin@example.com', '26ef8946-81d4-4ab8-8dcf-e21e870687a5', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"4863615535142957","targetGroupName":"inner"}', 200, NULL, false),
	(6, 3274327432743274, '5325bbfd-2955-447f-900a-8b71100e04b2', 1795534883319, '32743274-3274-4274-8274-327432743274', 'accounts', 'addPrincipalToGroup', 'admin@example.com', '26ef8946-81d4-4ab8-8dcf-e21e870687a5', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"4863615535142957","targetGroupName":"inner","targetUserId":"2050195984956270","targetUserName":"3eb31c4b-fa02-465e-b6b9-386712293158"}', 200, NULL, false),
	(7, 3274327432743274, 'b6a64e06-dbd6-46f9-bf91-a1a18c16468c', 1795534883319, '32743274-3274-4274-8274-327432743274', 'accounts', 'addPrincipalToGroup', 'admin@example.com', '26ef8946-81d4-4ab8-8dcf-e21e870687a5', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"4863615535142957","targetGroupName":"inner","targetUserId":"6762160804062956","targetUserName":"ann@example.com"}', 200, NULL, false),
	(8, 3274327432743274, '6b604dc7-40a7-4889-99d9-70e5f9555d7b', 1795534883326, '32743274-3274-4274-8274-327432743274', 'accounts', 'createGroup', 'admin@example.com', '6f61b34e-5f93-40a8-9dbe-006cb93e041c', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"4207791370127971","targetGroupName":"outer"}', 200, NULL, false),
	(9, 3274327432743274, '5533056a-d3b9-47bc-ac09-8a8f05f1793e', 1795534883326, '32743274-3274-4274-8274-327432743274', 'accounts', 'addPrincipalToGroup', 'admin@example.com', '6f61b34e-5f93-40a8-9dbe-006cb93e041c', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"4207791370127971","targetGroupName":"outer","targetUserId":"4863615535142957","targetUserName":"inner"}', 200, NULL, false),
	(10, 3274327432743274, 'b1e22cfe-d557-4d9f-96c6-91f73a4c275b', 1795534883331, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '3110acea-780f-4ff4-9231-935113277c8c', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"4207791370127971"}', 200, NULL, false),
	(11, 3274327432743274, 'aed15b7e-eaef-4eac-9dc1-f676024e254a', 1795534883331, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '3110acea-780f-4ff4-9231-935113277c8c', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"5338664036967202"}', 200, NULL, false),
	(12, 3274327432743274, 'ccd37706-340e-4bac-836e-e49697fd62d8', 1795534883336, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', 'd9bccd0b-cc96-479c-8941-2d7046567d2e', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"5720197119598887","tokenExpirationTime":"1798126883336","tokenHash":"6a35d03b0597b2a3cd2e24f8fa5d21644e345daabf17781f33c2784c966e21d2","tokenId":"6a35d03b0597b2a3cd2e24f8fa5d21644e345daabf17781f33c2784c966e21d2","userId":"2050195984956270"}', 200, NULL, false),
	(13, 3274327432743274, 'a2022961-db7e-4bbc-8eb1-ebf6ce78d5a7', 1795534883341, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', 'e822c7f8-7c41-4423-9a16-ef91a84dcb01', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"5720197119598887","tokenExpirationTime":"1798126883341","tokenHash":"200d52af17bbd0f6d8d6daad5a0d227c100114e9aff21802c82d5eee5b6eedf1","tokenId":"200d52af17bbd0f6d8d6daad5a0d227c100114e9aff21802c82d5eee5b6eedf1","userId":"5338664036967202"}', 200, NULL, false),
	(14, 3274327432743274, 'b4efb59c-01ce-46e5-897e-42c1aeab1116', 1795534883344, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', 'ac872fda-35e7-430b-a9cb-2c478424029d', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"1488183486115671"}', 200, NULL, false),
	(15, 3274327432743274, 'a461c326-abe1-423e-aef7-3c42c30e63c8', 1795534883344, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', 'ac872fda-35e7-430b-a9cb-2c478424029d', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"5338664036967202"}', 200, NULL, false),
	(16, 3274327432743274, '53cdf429-8cc5-446b-838e-0a62f92b3460', 1795534883348, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', 'cb605c6c-80ee-4744-9f44-2e4d2ce59d64', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"5720197119598887","tokenExpirationTime":"1795538483348","tokenHash":"00898000d94d0b289e04fe176709bc2bd5ed591ec9865ef5c51201047828a06d","tokenId":"00898000d94d0b289e04fe176709bc2bd5ed591ec9865ef5c51201047828a06d","userId":"5720197119598887"}', 200, NULL, false),
	(17, 3274327432743274, '60b1bdf0-a831-41d3-98a0-c9c656c5ec0a', 1795534883351, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', '998d1bc2-f3c7-45a5-adca-a0ebc9c77215', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"5720197119598887","tokenExpirationTime":"1858606883351","tokenHash":"b886a9f7f2d49f5be98282ff8a0593b37fca4b878dbf574f926fa86fd891445b","tokenId":"b886a9f7f2d49f5be98282ff8a0593b37fca4b878dbf574f926fa86fd891445b","userId":"5720197119598887"}', 200, NULL, false),
	(18, 3274327432743274, '16d60776-e66e-43f3-8fb6-d2302471ebfe', 1795534883354, '32743274-3274-4274-8274-327432743274', 'accounts', 'revokeDbToken', 'admin@example.com', '83d2e592-0c9a-4d35-91e9-08ac73957c9b', '127.0.0.1', 'Python-urllib/3.11', '{"tokenHash":"b886a9f7f2d49f5be98282ff8a0593b37fca4b878dbf574f926fa86fd891445b","tokenId":"b886a9f7f2d49f5be98282ff8a0593b37fca4b878dbf574f926fa86fd891445b","userId":"5720197119598887"}', 200, NULL, false),
	(19, 3274327432743274, '87c069f2-5908-4022-9d99-5e55bd957f2d', 1795534883357, '32743274-3274-4274-8274-327432743274', 'workspace', 'workspaceConfEdit', 'admin@example.com', '31279bda-e39e-4b03-96ef-b3f940d3e6fb', '127.0.0.1', 'Python-urllib/3.11', '{"workspaceConfKeys":"maxTokenLifetimeDays","workspaceConfValues":"60"}', 200, NULL, false),
	(20, 3274327432743274, '1011b9dc-26ad-4b4a-9ebd-d62c62a17860', 1795542083367, '32743274-3274-4274-8274-327432743274', 'accounts', 'tokenLogin', 'admin@example.com', '052b9933-db09-4e85-a5f6-8011be4c5de9', '127.0.0.1', 'Python-urllib/3.11', '{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}', 200, NULL, false),
	(21, 3274327432743274, 'bda7d0f1-ffc8-4050-b2de-7ab8e94a0de5', 1795542083367, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', '052b9933-db09-4e85-a5f6-8011be4c5de9', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"5720197119598887","tokenExpirationTime":"1799862083367","tokenHash":"6f72bb43408bf9dbd6dd5d7e1c6f0df0c79dbc481f2917b2db21aa4523fe32d4","tokenId":"6f72bb43408bf9dbd6dd5d7e1c6f0df0c79dbc481f2917b2db21aa4523fe32d4","userId":"5720197119598887"}', 200, NULL, false),
	(23, 3274327432743274, '24b1ec3c-47d3-463a-bcb6-1bd81992b803', 1795542083381, '32743274-3274-4274-8274-327432743274', 'servicePrincipalCredentials', 'create', 'admin@example.com', 'ef047a96-f9b8-4a2f-a4c5-423e086b4aa5', '127.0.0.1', 'Python-urllib/3.11', '{"secret_id":"d46eaffb-2343-49b9-842c-75b6583ffbda","service_principal":"2050195984956270"}', 200, NULL, false),
	(24, 3274327432743274, '369f38d1-93eb-43f7-a94f-08c56f3fd43b', 1795542083388, '32743274-3274-4274-8274-327432743274', 'accounts', 'mintOAuthToken', '3eb31c4b-fa02-465e-b6b9-386712293158', 'af7b03a1-0fa0-4214-a27c-3894743a20a7', '127.0.0.1', 'Python-urllib/3.11', '{"client_id":"3eb31c4b-fa02-465e-b6b9-386712293158","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}', 200, NULL, false),
	(26, 3274327432743274, '03d612f7-1c17-469d-8e70-a42e1e2e6f8e', 1795542083444, '32743274-3274-4274-8274-327432743274', 'accounts', 'setSetting', '32743274-3274-4274-8274-327432743275', '72aa4fe8-e8ee-491b-b3f2-a3f28b020163', '127.0.0.1', 'Python-urllib/3.11', '{"settingTypeName":"restrict_workspace_admins","settingValueForAudit":"RESTRICT_TOKENS_AND_JOB_RUN_AS"}', 200, NULL, false),
	(27, 42, 'af18bcb7-3508-4ada-af27-7a23ad80fde4', 1795534883455, '67edf787-18e7-4167-b2f1-27b50cd3fbbb', 'accounts', 'tokenLogin', 'admin@example.com', 'd5cd3a20-9e9c-43e1-ac2d-b9643047b299', '127.0.0.1', 'Python-urllib/3.11', '{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","user":"admin@example.com"}', 200, NULL, false),
	(28, 42, 'bc0a9c84-2357-462d-adea-d07d0f49fa93', 1795534883455, '67edf787-18e7-4167-b2f1-27b50cd3fbbb', 'accounts', 'generateDbToken', 'admin@example.com', 'd5cd3a20-9e9c-43e1-ac2d-b9643047b299', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"4794396394943490","tokenExpirationTime":"1858606883455","tokenHash":"3583ca241a2b4440ed6416da1e63c75f0676f907d50e6d7abc4b6261ea5946ff","tokenId":"3583ca241a2b4440ed6416da1e63c75f0676f907d50e6d7abc4b6261ea5946ff","userId":"4794396394943490"}', 200, NULL, false),
	(29, 42, 'a13fbba2-a5ca-4679-b60d-6d7ae8675eb9', 1795534883463, '67edf787-18e7-4167-b2f1-27b50cd3fbbb', 'accounts', 'generateDbToken', 'admin@example.com', 'e7afe4ce-07c9-4c7e-9dfc-89cbccacf534', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"4794396394943490","tokenExpirationTime":"1858606883463","tokenHash":"1ed215871b49ed78d1cc9739e58117b18933f94a06ca60ec0f4b57a92316f6bc","tokenId":"1ed215871b49ed78d1cc9739e58117b18933f94a06ca60ec0f4b57a92316f6bc","userId":"4794396394943490"}', 200, NULL, false),
	(30, 3274327432743274, '7cc696e5-e9cf-41fc-ba9a-3c68ab4e0c50', 1795542083472, '32743274-3274-4274-8274-327432743274', 'accounts', 'oidcBrowserLogin', 'admin@example.com', 'f0d269ca-1b55-45b7-930d-e5ed0feedcae', '127.0.0.1', 'Python-urllib/3.11', '{"user":"admin@example.com"}', 200, NULL, false),
	(22, 3274327432743274, '826474d5-3910-4e71-bc3d-93442905d047', 1795542083377, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', 'd3d028a8-ea4b-4018-9da7-52da3066e748', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"5720197119598887","tokenExpirationTime":"1800726083377","tokenHash":"c371355d340f473c0bc13247608c491f39ea6ebd90efedf8cc0b0ed440159385","tokenId":"c371355d340f473c0bc13247608c491f39ea6ebd90efedf8cc0b0ed440159385","userId":"5720197119598887"}', 200, NULL, false),
	(25, 3274327432743274, '1c520072-26b4-40db-82eb-2ea2cf931d6f', 1795542083438, '32743274-3274-4274-8274-327432743274', 'accounts', 'mintOAuthToken', '32743274-3274-4274-8274-327432743275', '72dc01e7-a16f-41c6-8799-bf176327c388', '127.0.0.1', 'Python-urllib/3.11', '{"client_id":"32743274-3274-4274-8274-327432743275","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}', 200, NULL, false),
	(31, 3274327432743274, 'd561a64d-27c8-42d6-b15f-d6c005ccee07', 1795542083477, '32743274-3274-4274-8274-327432743274', 'accounts', 'mintOAuthToken', 'admin@example.com', '995c95b0-80ba-4082-b0b0-5c86aff39dac', '127.0.0.1', 'Python-urllib/3.11', '{"client_id":"databricks-cli","expires_in":"3600","grant_type":"authorization_code","scope":"offline_access all-apis"}', 200, NULL, false);
INSERT INTO dapi_mock_fixture.checkpoint_rows VALUES
	(3274327432743274, 'empty', 'workspaces', false, '{"name": "dapi-mock", "behaviour": "{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}", "delete_at": null, "account_id": "32743274-3274-4274-8274-327432743274", "clock_mode": "real", "created_at": 1795534883266, "is_default": true, "clock_value": 0, "entropy_seed": null, "workspace_id": 3274327432743274, "entropy_drawn": 0, "users_group_id": 1488183486115671, "admins_group_id": 4323164654388979, "deployment_name": "dapi-mock"}'),
	(3274327432743274, 'empty', 'principals', false, '{"kind": "group", "name": "admins", "active": true, "name_key": "admins", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{}", "created_at": 1795534883267, "external_id": null, "display_name": "admins", "principal_id": 4323164654388979, "workspace_id": 3274327432743274, "account_admin": false}'),
	(3274327432743274, 'empty', 'principals', false, '{"kind": "group", "name": "users", "active": true, "name_key": "users", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{}", "created_at": 1795534883267, "external_id": null, "display_name": "users", "principal_id": 1488183486115671, "workspace_id": 3274327432743274, "account_admin": false}'),
	(3274327432743274, 'empty', 'principals', true, '{"kind": "service_principal", "name": "32743274-3274-4274-8274-327432743275", "active": true, "name_key": "32743274-3274-4274-8274-327432743275", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{}", "created_at": 1795534883267, "external_id": null, "display_name": "admin-service-principal", "principal_id": 3282852619812389, "workspace_id": 0, "account_admin": true}'),
	(3274327432743274, 'empty', 'principals', true, '{"kind": "user", "name": "account-admin@example.com", "active": true, "name_key": "account-admin@example.com", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795534883267, "external_id": null, "display_name": "Account Admin", "principal_id": 5279115775307864, "workspace_id": 0, "account_admin": true}'),
	(3274327432743274, 'empty', 'principals', true, '{"kind": "user", "name": "admin@example.com", "active": true, "name_key": "admin@example.com", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795534883267, "external_id": null, "display_name": "Workspace Admin", "principal_id": 5720197119598887, "workspace_id": 0, "account_admin": false}'),
	(3274327432743274, 'empty', 'group_members', false, '{"group_id": 4323164654388979, "member_id": 3282852619812389, "account_id": "32743274-3274-4274-8274-327432743274"}'),
	(3274327432743274, 'empty', 'group_members', false, '{"group_id": 4323164654388979, "member_id": 5720197119598887, "account_id": "32743274-3274-4274-8274-327432743274"}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 4323164654388979, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 1488183486115671, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 5720197119598887, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 5279115775307864, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 3282852619812389, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'token_acl', false, '{"principal_id": 1488183486115671, "workspace_id": 3274327432743274, "permission_level": "CAN_USE"}'),
	(3274327432743274, 'empty', 'tokens', false, '{"scopes": null, "comment": "dapi-mock admin token", "owner_id": 5720197119598887, "token_id": "cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0", "idle_from": 1795534883273, "expiry_time": 1858606883273, "last_client": null, "last_used_at": null, "workspace_id": 3274327432743274, "created_by_id": 5720197119598887, "creation_time": 1795534883273, "autoscope_state": null, "inferred_scopes": null, "created_by_username": "admin@example.com"}'),
	(3274327432743274, 'empty', 'oauth_secrets', true, '{"secret_id": "1a56d12a-c1d1-4a8c-a37b-f27076152c16", "account_id": "32743274-3274-4274-8274-327432743274", "created_at": 1795534883275, "expires_at": 1858606883275, "secret_hash": "a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32", "principal_id": 3282852619812389}'),
	(42, 'empty', 'workspaces', false, '{"name": "workspace-42", "behaviour": "{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}", "delete_at": null, "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "clock_mode": "real", "created_at": 1795534883447, "is_default": false, "clock_value": 0, "entropy_seed": null, "workspace_id": 42, "entropy_drawn": 0, "users_group_id": 3788635902950069, "admins_group_id": 6476002159458630, "deployment_name": "workspace-42"}'),
	(42, 'empty', 'principals', false, '{"kind": "group", "name": "admins", "active": true, "name_key": "admins", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "attributes": "{}", "created_at": 1795534883447, "external_id": null, "display_name": "admins", "principal_id": 6476002159458630, "workspace_id": 42, "account_admin": false}'),
	(42, 'empty', 'principals', false, '{"kind": "group", "name": "users", "active": true, "name_key": "users", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "attributes": "{}", "created_at": 1795534883447, "external_id": null, "display_name": "users", "principal_id": 3788635902950069, "workspace_id": 42, "account_admin": false}'),
	(42, 'empty', 'principals', true, '{"kind": "service_principal", "name": "32743274-3274-4274-8274-327432743275", "active": true, "name_key": "32743274-3274-4274-8274-327432743275", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "attributes": "{}", "created_at": 1795534883447, "external_id": null, "display_name": "admin-service-principal", "principal_id": 8078964667804924, "workspace_id": 0, "account_admin": true}'),
	(42, 'empty', 'principals', true, '{"kind": "user", "name": "account-admin@example.com", "active": true, "name_key": "account-admin@example.com", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "attributes": "{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795534883447, "external_id": null, "display_name": "Account Admin", "principal_id": 2828836983311635, "workspace_id": 0, "account_admin": true}'),
	(42, 'empty', 'principals', true, '{"kind": "user", "name": "admin@example.com", "active": true, "name_key": "admin@example.com", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "attributes": "{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795534883447, "external_id": null, "display_name": "Workspace Admin", "principal_id": 4794396394943490, "workspace_id": 0, "account_admin": false}'),
	(42, 'empty', 'group_members', false, '{"group_id": 6476002159458630, "member_id": 4794396394943490, "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb"}'),
	(42, 'empty', 'group_members', false, '{"group_id": 6476002159458630, "member_id": 8078964667804924, "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb"}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 6476002159458630, "workspace_id": 42}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 3788635902950069, "workspace_id": 42}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 4794396394943490, "workspace_id": 42}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 2828836983311635, "workspace_id": 42}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 8078964667804924, "workspace_id": 42}'),
	(42, 'empty', 'token_acl', false, '{"principal_id": 3788635902950069, "workspace_id": 42, "permission_level": "CAN_USE"}'),
	(42, 'empty', 'tokens', false, '{"scopes": null, "comment": "dapi-mock admin token", "owner_id": 4794396394943490, "token_id": "446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d", "idle_from": 1795534883450, "expiry_time": 1858606883450, "last_client": null, "last_used_at": null, "workspace_id": 42, "created_by_id": 4794396394943490, "creation_time": 1795534883450, "autoscope_state": null, "inferred_scopes": null, "created_by_username": "admin@example.com"}'),
	(42, 'empty', 'oauth_secrets', true, '{"secret_id": "ce791393-ad67-48e8-b482-c6e53ec0cfe5", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "created_at": 1795534883450, "expires_at": 1858606883450, "secret_hash": "926796d5f36ba74f779dfa079ac0e46c645dd183aa77d5ab3975335b009a12b8", "principal_id": 8078964667804924}'),
	(42, 'before', 'workspaces', false, '{"name": "workspace-42", "behaviour": "{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}", "delete_at": null, "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "clock_mode": "real", "created_at": 1795534883447, "is_default": false, "clock_value": 0, "entropy_seed": null, "workspace_id": 42, "entropy_drawn": 0, "users_group_id": 3788635902950069, "admins_group_id": 6476002159458630, "deployment_name": "workspace-42"}'),
	(42, 'before', 'principals', false, '{"kind": "group", "name": "admins", "active": true, "name_key": "admins", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "attributes": "{}", "created_at": 1795534883447, "external_id": null, "display_name": "admins", "principal_id": 6476002159458630, "workspace_id": 42, "account_admin": false}'),
	(42, 'before', 'principals', false, '{"kind": "group", "name": "users", "active": true, "name_key": "users", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "attributes": "{}", "created_at": 1795534883447, "external_id": null, "display_name": "users", "principal_id": 3788635902950069, "workspace_id": 42, "account_admin": false}'),
	(42, 'before', 'principals', true, '{"kind": "service_principal", "name": "32743274-3274-4274-8274-327432743275", "active": true, "name_key": "32743274-3274-4274-8274-327432743275", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "attributes": "{}", "created_at": 1795534883447, "external_id": null, "display_name": "admin-service-principal", "principal_id": 8078964667804924, "workspace_id": 0, "account_admin": true}'),
	(42, 'before', 'principals', true, '{"kind": "user", "name": "account-admin@example.com", "active": true, "name_key": "account-admin@example.com", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "attributes": "{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795534883447, "external_id": null, "display_name": "Account Admin", "principal_id": 2828836983311635, "workspace_id": 0, "account_admin": true}'),
	(42, 'before', 'principals', true, '{"kind": "user", "name": "admin@example.com", "active": true, "name_key": "admin@example.com", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "attributes": "{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795534883447, "external_id": null, "display_name": "Workspace Admin", "principal_id": 4794396394943490, "workspace_id": 0, "account_admin": false}'),
	(42, 'before', 'group_members', false, '{"group_id": 6476002159458630, "member_id": 4794396394943490, "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb"}'),
	(42, 'before', 'group_members', false, '{"group_id": 6476002159458630, "member_id": 8078964667804924, "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb"}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 6476002159458630, "workspace_id": 42}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 3788635902950069, "workspace_id": 42}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 4794396394943490, "workspace_id": 42}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 2828836983311635, "workspace_id": 42}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 8078964667804924, "workspace_id": 42}'),
	(42, 'before', 'token_acl', false, '{"principal_id": 3788635902950069, "workspace_id": 42, "permission_level": "CAN_USE"}'),
	(42, 'before', 'tokens', false, '{"scopes": null, "comment": "kept", "owner_id": 4794396394943490, "token_id": "3583ca241a2b4440ed6416da1e63c75f0676f907d50e6d7abc4b6261ea5946ff", "idle_from": 1795534883455, "expiry_time": 1858606883455, "last_client": null, "last_used_at": null, "workspace_id": 42, "created_by_id": 4794396394943490, "creation_time": 1795534883455, "autoscope_state": null, "inferred_scopes": null, "created_by_username": "admin@example.com"}'),
	(42, 'before', 'tokens', false, '{"scopes": null, "comment": "dapi-mock admin token", "owner_id": 4794396394943490, "token_id": "446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d", "idle_from": 1795534883455, "expiry_time": 1858606883450, "last_client": "Python-urllib/3.11", "last_used_at": 1795534883455, "workspace_id": 42, "created_by_id": 4794396394943490, "creation_time": 1795534883450, "autoscope_state": null, "inferred_scopes": null, "created_by_username": "admin@example.com"}'),
	(42, 'before', 'audit_events', false, '{"actor": "admin@example.com", "event_id": "af18bcb7-3508-4ada-af27-7a23ad80fde4", "sequence": 27, "source_ip": "127.0.0.1", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "event_time": 1795534883455, "request_id": "d5cd3a20-9e9c-43e1-ac2d-b9643047b299", "user_agent": "Python-urllib/3.11", "action_name": "tokenLogin", "status_code": 200, "service_name": "accounts", "workspace_id": 42, "account_level": false, "error_message": null, "request_params": "{\"authenticationMethod\":\"API_EXT_PAT_TOKEN\",\"tokenId\":\"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d\",\"user\":\"admin@example.com\"}"}'),
	(42, 'before', 'audit_events', false, '{"actor": "admin@example.com", "event_id": "bc0a9c84-2357-462d-adea-d07d0f49fa93", "sequence": 28, "source_ip": "127.0.0.1", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "event_time": 1795534883455, "request_id": "d5cd3a20-9e9c-43e1-ac2d-b9643047b299", "user_agent": "Python-urllib/3.11", "action_name": "generateDbToken", "status_code": 200, "service_name": "accounts", "workspace_id": 42, "account_level": false, "error_message": null, "request_params": "{\"tokenCreatedBy\":\"4794396394943490\",\"tokenExpirationTime\":\"1858606883455\",\"tokenHash\":\"3583ca241a2b4440ed6416da1e63c75f0676f907d50e6d7abc4b6261ea5946ff\",\"tokenId\":\"3583ca241a2b4440ed6416da1e63c75f0676f907d50e6d7abc4b6261ea5946ff\",\"userId\":\"4794396394943490\"}"}'),
	(42, 'before', 'oauth_secrets', true, '{"secret_id": "ce791393-ad67-48e8-b482-c6e53ec0cfe5", "account_id": "67edf787-18e7-4167-b2f1-27b50cd3fbbb", "created_at": 1795534883450, "expires_at": 1858606883450, "secret_hash": "926796d5f36ba74f779dfa079ac0e46c645dd183aa77d5ab3975335b009a12b8", "principal_id": 8078964667804924}');
INSERT INTO dapi_mock_fixture.checkpoints VALUES
	(3274327432743274, 'empty', 1795534883277, true),
	(42, 'empty', 1795534883451, true),
	(42, 'before', 1795534883459, true);
INSERT INTO dapi_mock_fixture.decoys VALUES
	(3274327432743274, '805061db0e90689089f700469bf5dffe122743bcaa1766d06093c8090a44aceb', 'bait', 1795542083467, 0, NULL, NULL, NULL);
INSERT INTO dapi_mock_fixture.faults VALUES
	(42, 1, '{"name":"rate_limited","match":{"path":"/api/2.0/token/list"},"offset":0,"times":1,"when":"before","effect":{"status":429,"error_code":"REQUEST_LIMIT_EXCEEDED","message":"Workspace exceeded the concurrent limit of 20 requests.","retry_after":1}}', 0);
INSERT INTO dapi_mock_fixture.group_members VALUES
	('32743274-3274-4274-8274-327432743274', 4323164654388979, 5720197119598887),
	('32743274-3274-4274-8274-327432743274', 4323164654388979, 3282852619812389),
	('32743274-3274-4274-8274-327432743274', 4863615535142957, 2050195984956270),
	('32743274-3274-4274-8274-327432743274', 4863615535142957, 6762160804062956),
	('32743274-3274-4274-8274-327432743274', 4207791370127971, 4863615535142957),
	('67edf787-18e7-4167-b2f1-27b50cd3fbbb', 6476002159458630, 4794396394943490),
	('67edf787-18e7-4167-b2f1-27b50cd3fbbb', 6476002159458630, 8078964667804924);
INSERT INTO dapi_mock_fixture.oauth_keys VALUES
	('3b4ea6e1937d602170f316563e6e06fb8ea5769108c02ce12ed115ab93e5a9cc', '32743274-3274-4274-8274-327432743274', 'qH0tizaeIoMihu-UPmCKDLC6og0qSoxtM-HdGhWkXEroFom69fVc_LwI4T0GcIfGjaMYeYmIldlsKhJxcd1JprdQ1Is-sh69IOU5V-CIeujoAdclZ4zsLpNgC_zFD1i0aEoSgzd2BMqVMOiPh94O_Gb8fd9hBX5MQ91HqSbFaUkDArQoNNYykIrRijdo7WXo741ZbGf6b-kMu2AvzcDaTYpuR0LPfCBXrvHg7GP4C6WlMQafPad25RB3yj-B-FGJ8vX-ZQNTwny-KsG2KrLtkhyx-3zIjr8N9iW-uQXdo_vzU3r4cxwSp3qZKZx4xV4vqj7y2z5Pj83hHBJzgo43ew', 'MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCofS2LNp4igyKG75Q+YIoMsLqiDSpKjG0z4d0aFaRcSugWibr19Vz8vAjhPQZwh8aNoxh5iYiV2WwqEnFx3Ummt1DUiz6yHr0g5TlX4Ih66OgB1yVnjOwuk2AL/MUPWLRoShKDN3YEypUw6I+H3g78Zvx932EFfkxD3UepJsVpSQMCtCg01jKQitGKN2jtZejvjVlsZ/pv6Qy7YC/NwNpNim5HQs98IFeu8eDsY/gLpaUxBp89p3blEHfKP4H4UYny9f5lA1PCfL4qwbYqsu2SHLH7fMiOvw32Jb65Bd2j+/NTevhzHBKnepkpnHjFXi+qPvLbPk+PzeEcEnOCjjd7AgMBAAECggEABDFxU7idQOCgmFkYCGFgriYrzuKi/c323cauOPr25zEaC42L8JkVoliPpANfyKcoYtf/QO8STiBmF7nzxtCqB5MiWNfKTKaFMG9j+PLmkqB/PaR8EtKoAhS63DGDOfmMK9hEE63qqv3brqbrA4ecOd3aRMutX3SgM0Qrh2MmoJMdP2PZMzODdNvO7MsBsWKapG8D0AneIntIlTB53GMe6kobsI9aa3x+YbI1wUzLlr17iRdVdHKZdnSheUf6pb+l1I4gIkoaXOgBR0kqZ40+bWhdiguk3wJumvq0VR8+kIYn1CJC1Sif+4T+cUSOZr4juPZHMQgYFVPQoisBoDq9sQKBgQDJP8A7IZhwaz+Pm/bpNkElcrsJWuT3CPwrXsBtLtMwoNfUolSh6gChQTqIpDQf24u+kz2l3wzD+14idDeHP5fTTRSVlad3TdxiO8y0U9uCsU2EAGcsTS5bB7GzCA3j6l3hxDxI4oMP9ngmnrXsof7CKcQxuDqrQ0HwkoKM8makKQKBgQDWU8+TcZ5Xgx0lRQ+bv+L+V1y2PYKsE/xAj8iPyZ/Dgih6xoNKylQoWdi0zsVxnBPkpI4HX4mau4k4oFvOgHzhJuhdSW+JG+MJpCzGtcdBBlrhol+1RFfIhvf/yiYDfiyILNFKatsRbEPnv/Pw298eiRy2QgwZey3tZp3m/zlTAwKBgQCL62v+cKwotRg7A4fWuybuH2eU6II6kx+oE7eb8atZquqEZtyKukP32X8V03x+DcmKFZsOARdCBzl6oOyedwNbIMNIAQWu+A5aqhL36Tm8EwO+2/zfm0W4eo/81oO5y4+8URBM6FeROJ5u03fO7w5N9nX2z4zS1+83kNV9o2bjiQKBgQC0bVvKsRRucXcgv/Gy2Sf7m4n19PRDbpOluiVKPp8bVEBFk0ZFuOx+B5zyITuAN7dbfNgABwJtW0Dahcyjm/EFDd8BYWfe0bYgkLANHExARlxNpIbTr1QDAPRXxlKYECjm/mu2LRx8n1rPBv4SHtbG+wBLwnAzJ0pzlzaIlwUoBwKBgA9jXZh3zczb4dLmFGCtr/UuUBDUUY/vcBncUuiM2dDcaOeiw1KnU+Ye6oM8KLsNWNGqKGRYu9SGq/xE7RvHzIjyBisaDvvnyiRtQCjHnd7czbYho2+G6KxNKSAvH+y7tssOaQvF4l6Cda4egehagpPobgmy+iDOu5/wK5jZOAXG', 1795534883432);
INSERT INTO dapi_mock_fixture.oauth_secrets VALUES
	('32743274-3274-4274-8274-327432743274', 3282852619812389, '1a56d12a-c1d1-4a8c-a37b-f27076152c16', 'a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32', 1795534883275, 1858606883275),
	('32743274-3274-4274-8274-327432743274', 2050195984956270, 'd46eaffb-2343-49b9-842c-75b6583ffbda', 'd1fdee32ed59e8cbbe343d5d45384da63c25848d6b7475301b76a47a7cb53bc3', 1795542083381, 1858614083381),
	('67edf787-18e7-4167-b2f1-27b50cd3fbbb', 8078964667804924, 'ce791393-ad67-48e8-b482-c6e53ec0cfe5', '926796d5f36ba74f779dfa079ac0e46c645dd183aa77d5ab3975335b009a12b8', 1795534883450, 1858606883450);
INSERT INTO dapi_mock_fixture.principals VALUES
	('32743274-3274-4274-8274-327432743274', 4323164654388979, 3274327432743274, 'group', 'admins', 'admins', 'admins', true, false, NULL, '{}', 1795534883267),
	('32743274-3274-4274-8274-327432743274', 1488183486115671, 3274327432743274, 'group', 'users', 'users', 'users', true, false, NULL, '{}', 1795534883267),
	('32743274-3274-4274-8274-327432743274', 5720197119598887, 0, 'user', 'admin@example.com', 'admin@example.com', 'Workspace Admin', true, false, NULL, '{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}', 1795534883267),
	('32743274-3274-4274-8274-327432743274', 5279115775307864, 0, 'user', 'account-admin@example.com', 'account-admin@example.com', 'Account Admin', true, true, NULL, '{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}', 1795534883267),
	('32743274-3274-4274-8274-327432743274', 3282852619812389, 0, 'service_principal', '32743274-3274-4274-8274-327432743275', '32743274-3274-4274-8274-327432743275', 'admin-service-principal', true, true, NULL, '{}', 1795534883267),
	('32743274-3274-4274-8274-327432743274', 2050195984956270, 0, 'service_principal', '3eb31c4b-fa02-465e-b6b9-386712293158', '3eb31c4b-fa02-465e-b6b9-386712293158', 'robot', true, false, NULL, '{}', 1795534883303),
	('32743274-3274-4274-8274-327432743274', 5338664036967202, 0, 'service_principal', '9dd5321a-2404-4f25-b447-00b35c9ed2f0', '9dd5321a-2404-4f25-b447-00b35c9ed2f0', 'locked out', true, false, NULL, '{}', 1795534883311),
	('32743274-3274-4274-8274-327432743274', 6762160804062956, 0, 'user', 'ann@example.com', 'ann@example.com', 'Ann', true, false, NULL, '{"emails":[{"value":"ann@example.com","type":"work","primary":true}]}', 1795534883316),
	('32743274-3274-4274-8274-327432743274', 4863615535142957, 3274327432743274, 'group', 'inner', 'inner', 'inner', true, false, NULL, '{}', 1795534883320),
	('32743274-3274-4274-8274-327432743274', 4207791370127971, 3274327432743274, 'group', 'outer', 'outer', 'outer', true, false, NULL, '{}', 1795534883327),
	('67edf787-18e7-4167-b2f1-27b50cd3fbbb', 6476002159458630, 42, 'group', 'admins', 'admins', 'admins', true, false, NULL, '{}', 1795534883447),
	('67edf787-18e7-4167-b2f1-27b50cd3fbbb', 3788635902950069, 42, 'group', 'users', 'users', 'users', true, false, NULL, '{}', 1795534883447),
	('67edf787-18e7-4167-b2f1-27b50cd3fbbb', 4794396394943490, 0, 'user', 'admin@example.com', 'admin@example.com', 'Workspace Admin', true, false, NULL, '{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}', 1795534883447),
	('67edf787-18e7-4167-b2f1-27b50cd3fbbb', 2828836983311635, 0, 'user', 'account-admin@example.com', 'account-admin@example.com', 'Account Admin', true, true, NULL, '{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}', 1795534883447),
	('67edf787-18e7-4167-b2f1-27b50cd3fbbb', 8078964667804924, 0, 'service_principal', '32743274-3274-4274-8274-327432743275', '32743274-3274-4274-8274-327432743275', 'admin-service-principal', true, true, NULL, '{}', 1795534883447);
INSERT INTO dapi_mock_fixture.sign_ins VALUES
	('0b0d5085-6608-4786-b660-1197c36c4175', 3274327432743274, '32743274-3274-4274-8274-327432743274', false, 'databricks-cli', 'http://localhost:8020', 's', 'offline_access all-apis', 'y5UF_tmp_ICTDGza-Ou2vUvx2cu7DBN-Xwf_z0RDfTw', 'redeemed', 5720197119598887, '36fddd4020b1a324054cdb7d4e2f6e3945ce82d951787d901838f8b06a6dd849', 'a7b7197fc52263afd5ce50dd9a484d91812edfc49d1a20ea7ccbbad9c4ac7f4e', 1796146883477);
INSERT INTO dapi_mock_fixture.token_acl VALUES
	(3274327432743274, 4207791370127971, 'CAN_USE'),
	(42, 3788635902950069, 'CAN_USE');
INSERT INTO dapi_mock_fixture.tokens VALUES
	('6a35d03b0597b2a3cd2e24f8fa5d21644e345daabf17781f33c2784c966e21d2', 3274327432743274, 2050195984956270, 5720197119598887, 'admin@example.com', 'of the robot', 1795534883336, 1798126883336, NULL, NULL, 1795534883336, NULL, NULL, NULL),
	('200d52af17bbd0f6d8d6daad5a0d227c100114e9aff21802c82d5eee5b6eedf1', 3274327432743274, 5338664036967202, 5720197119598887, 'admin@example.com', 'locked out', 1795534883341, 1798126883341, NULL, NULL, 1795534883341, NULL, NULL, NULL),
	('00898000d94d0b289e04fe176709bc2bd5ed591ec9865ef5c51201047828a06d', 3274327432743274, 5720197119598887, 5720197119598887, 'admin@example.com', 'short', 1795534883348, 1795538483348, NULL, NULL, 1795534883348, NULL, NULL, NULL),
	('cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0', 3274327432743274, 5720197119598887, 5720197119598887, 'admin@example.com', 'dapi-mock admin token', 1795534883273, 1858606883273, 1795542083367, 'Python-urllib/3.11', 1795542083367, NULL, NULL, NULL),
	('6f72bb43408bf9dbd6dd5d7e1c6f0df0c79dbc481f2917b2db21aa4523fe32d4', 3274327432743274, 5720197119598887, 5720197119598887, 'admin@example.com', 'with ''quotes'' and ünïcode', 1795542083367, 1799862083367, NULL, NULL, 1795542083367, NULL, NULL, NULL),
	('c371355d340f473c0bc13247608c491f39ea6ebd90efedf8cc0b0ed440159385', 3274327432743274, 5720197119598887, 5720197119598887, 'admin@example.com', 'scoped', 1795542083377, 1800726083377, NULL, NULL, 1795542083377, '["sql"]', 'AUTOSCOPE_STATE_USER_SELECTED', NULL),
	('446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d', 42, 4794396394943490, 4794396394943490, 'admin@example.com', 'dapi-mock admin token', 1795534883450, 1858606883450, 1795534883455, 'Python-urllib/3.11', 1795534883455, NULL, NULL, NULL),
	('3583ca241a2b4440ed6416da1e63c75f0676f907d50e6d7abc4b6261ea5946ff', 42, 4794396394943490, 4794396394943490, 'admin@example.com', 'kept', 1795534883455, 1858606883455, NULL, NULL, 1795534883455, NULL, NULL, NULL),
	('1ed215871b49ed78d1cc9739e58117b18933f94a06ca60ec0f4b57a92316f6bc', 42, 4794396394943490, 4794396394943490, 'admin@example.com', 'after', 1795534883463, 1858606883463, NULL, NULL, 1795534883463, NULL, NULL, NULL);
INSERT INTO dapi_mock_fixture.tombstones VALUES
	('b886a9f7f2d49f5be98282ff8a0593b37fca4b878dbf574f926fa86fd891445b', 3274327432743274, 5720197119598887, 5720197119598887, 'admin@example.com', 'revoked', 1795534883351, 1858606883351, NULL, NULL, 1795534883354, 'revoked_by_owner', 'admin@example.com');
INSERT INTO dapi_mock_fixture.workspace_assignments VALUES
	(3274327432743274, 4323164654388979, true, '[]', '[]', true),
	(3274327432743274, 1488183486115671, true, '[]', '[]', true),
	(3274327432743274, 5720197119598887, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(3274327432743274, 5279115775307864, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(3274327432743274, 3282852619812389, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(3274327432743274, 2050195984956270, true, '[]', '[]', true),
	(3274327432743274, 5338664036967202, true, '[]', '[]', true),
	(3274327432743274, 6762160804062956, true, '[]', '[]', true),
	(3274327432743274, 4863615535142957, true, '[]', '[]', true),
	(3274327432743274, 4207791370127971, true, '[]', '[]', true),
	(42, 6476002159458630, true, '[]', '[]', true),
	(42, 3788635902950069, true, '[]', '[]', true),
	(42, 4794396394943490, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(42, 2828836983311635, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(42, 8078964667804924, true, '["workspace-access","databricks-sql-access"]', '[]', true);
INSERT INTO dapi_mock_fixture.workspace_conf VALUES
	(3274327432743274, 'maxTokenLifetimeDays', '60', NULL, 1795534883357);
INSERT INTO dapi_mock_fixture.workspace_settings VALUES
	(3274327432743274, 'restrict_workspace_admins', 'RESTRICT_TOKENS_AND_JOB_RUN_AS', 'b5e01047-a44c-4f76-b6cd-80b0402c6cf5');
INSERT INTO dapi_mock_fixture.workspaces VALUES
	(3274327432743274, '32743274-3274-4274-8274-327432743274', 'dapi-mock', 'dapi-mock', 1795534883266, true, 4323164654388979, 1488183486115671, 'offset', 7200000, '{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}', NULL, NULL, 0, 3352485148622637),
	(42, '67edf787-18e7-4167-b2f1-27b50cd3fbbb', 'workspace-42', 'workspace-42', 1795534883447, false, 6476002159458630, 3788635902950069, 'real', 0, '{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}', NULL, NULL, 0, 1710547864507514);
SELECT pg_catalog.setval('dapi_mock_fixture.audit_events_sequence_seq', 31, true);
ALTER TABLE ONLY dapi_mock_fixture._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY dapi_mock_fixture.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (account_id);
ALTER TABLE ONLY dapi_mock_fixture.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (sequence);
ALTER TABLE ONLY dapi_mock_fixture.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (workspace_id, checkpoint_name);
ALTER TABLE ONLY dapi_mock_fixture.decoys
    ADD CONSTRAINT decoys_pkey PRIMARY KEY (decoy_id, workspace_id);
ALTER TABLE ONLY dapi_mock_fixture.faults
    ADD CONSTRAINT faults_pkey PRIMARY KEY (workspace_id, fault_id);
ALTER TABLE ONLY dapi_mock_fixture.group_members
    ADD CONSTRAINT group_members_pkey PRIMARY KEY (account_id, group_id, member_id);
ALTER TABLE ONLY dapi_mock_fixture.oauth_keys
    ADD CONSTRAINT oauth_keys_pkey PRIMARY KEY (kid);
ALTER TABLE ONLY dapi_mock_fixture.oauth_secrets
    ADD CONSTRAINT oauth_secrets_pkey PRIMARY KEY (account_id, principal_id, secret_id);
ALTER TABLE ONLY dapi_mock_fixture.page_sessions
    ADD CONSTRAINT page_sessions_pkey PRIMARY KEY (session_hash, workspace_id);
ALTER TABLE ONLY dapi_mock_fixture.principals
    ADD CONSTRAINT principals_pkey PRIMARY KEY (account_id, principal_id);
ALTER TABLE ONLY dapi_mock_fixture.rule_sets
    ADD CONSTRAINT rule_sets_pkey PRIMARY KEY (account_id, rule_set_name);
ALTER TABLE ONLY dapi_mock_fixture.sign_ins
    ADD CONSTRAINT sign_ins_pkey PRIMARY KEY (sign_in_id, workspace_id);
ALTER TABLE ONLY dapi_mock_fixture.token_acl
    ADD CONSTRAINT token_acl_pkey PRIMARY KEY (workspace_id, principal_id);
ALTER TABLE ONLY dapi_mock_fixture.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (token_id, workspace_id);
ALTER TABLE ONLY dapi_mock_fixture.tombstones
    ADD CONSTRAINT tombstones_pkey PRIMARY KEY (token_id, workspace_id);
ALTER TABLE ONLY dapi_mock_fixture.workspace_assignments
    ADD CONSTRAINT workspace_assignments_pkey PRIMARY KEY (workspace_id, principal_id);
ALTER TABLE ONLY dapi_mock_fixture.workspace_conf
    ADD CONSTRAINT workspace_conf_pkey PRIMARY KEY (workspace_id, conf_key);
ALTER TABLE ONLY dapi_mock_fixture.workspace_settings
    ADD CONSTRAINT workspace_settings_pkey PRIMARY KEY (workspace_id, setting_name);
ALTER TABLE ONLY dapi_mock_fixture.workspaces
    ADD CONSTRAINT workspaces_pkey PRIMARY KEY (workspace_id);
CREATE INDEX audit_events_by_workspace ON dapi_mock_fixture.audit_events USING btree (workspace_id, sequence);
CREATE INDEX checkpoint_rows_by_name ON dapi_mock_fixture.checkpoint_rows USING btree (workspace_id, checkpoint_name, table_name);
CREATE INDEX group_members_by_member ON dapi_mock_fixture.group_members USING btree (account_id, member_id);
CREATE INDEX oauth_keys_by_age ON dapi_mock_fixture.oauth_keys USING btree (account_id, created_at, kid);
CREATE INDEX page_sessions_by_age ON dapi_mock_fixture.page_sessions USING btree (began_at);
CREATE INDEX principals_by_client_id ON dapi_mock_fixture.principals USING btree (kind, name_key);
CREATE UNIQUE INDEX principals_by_name ON dapi_mock_fixture.principals USING btree (account_id, workspace_id, kind, name_key);
CREATE UNIQUE INDEX principals_of_account_by_name ON dapi_mock_fixture.principals USING btree (account_id, name_key, principal_id);
CREATE INDEX sign_ins_by_expiry ON dapi_mock_fixture.sign_ins USING btree (workspace_id, expires_at, sign_in_id);
CREATE INDEX tokens_by_creation ON dapi_mock_fixture.tokens USING btree (workspace_id, creation_time, token_id);
CREATE INDEX tokens_by_expiry ON dapi_mock_fixture.tokens USING btree (workspace_id, COALESCE(expiry_time, '9223372036854775807'::bigint), token_id);
CREATE INDEX tokens_by_idle ON dapi_mock_fixture.tokens USING btree (workspace_id, idle_from);
CREATE INDEX tokens_by_last_use ON dapi_mock_fixture.tokens USING btree (workspace_id, COALESCE(last_used_at, '-9223372036854775807'::bigint), token_id, owner_id, creation_time, expiry_time, last_used_at, idle_from);
CREATE INDEX tokens_by_owner ON dapi_mock_fixture.tokens USING btree (workspace_id, owner_id, creation_time, token_id);
CREATE INDEX tombstones_by_time ON dapi_mock_fixture.tombstones USING btree (workspace_id, ended_at);
ALTER TABLE ONLY dapi_mock_fixture.oauth_keys
    ADD CONSTRAINT oauth_keys_account_id_fkey FOREIGN KEY (account_id) REFERENCES dapi_mock_fixture.accounts(account_id);
ALTER TABLE ONLY dapi_mock_fixture.oauth_secrets
    ADD CONSTRAINT oauth_secrets_account_id_principal_id_fkey FOREIGN KEY (account_id, principal_id) REFERENCES dapi_mock_fixture.principals(account_id, principal_id) ON DELETE CASCADE;
ALTER TABLE ONLY dapi_mock_fixture.principals
    ADD CONSTRAINT principals_account_id_fkey FOREIGN KEY (account_id) REFERENCES dapi_mock_fixture.accounts(account_id);
ALTER TABLE ONLY dapi_mock_fixture.rule_sets
    ADD CONSTRAINT rule_sets_account_id_fkey FOREIGN KEY (account_id) REFERENCES dapi_mock_fixture.accounts(account_id);
ALTER TABLE ONLY dapi_mock_fixture.sign_ins
    ADD CONSTRAINT sign_ins_account_id_principal_id_fkey FOREIGN KEY (account_id, principal_id) REFERENCES dapi_mock_fixture.principals(account_id, principal_id) ON DELETE CASCADE;
ALTER TABLE ONLY dapi_mock_fixture.sign_ins
    ADD CONSTRAINT sign_ins_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES dapi_mock_fixture.workspaces(workspace_id);
ALTER TABLE ONLY dapi_mock_fixture.token_acl
    ADD CONSTRAINT token_acl_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES dapi_mock_fixture.workspaces(workspace_id);
ALTER TABLE ONLY dapi_mock_fixture.tokens
    ADD CONSTRAINT tokens_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES dapi_mock_fixture.workspaces(workspace_id);
ALTER TABLE ONLY dapi_mock_fixture.tombstones
    ADD CONSTRAINT tombstones_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES dapi_mock_fixture.workspaces(workspace_id);
ALTER TABLE ONLY dapi_mock_fixture.workspace_assignments
    ADD CONSTRAINT workspace_assignments_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES dapi_mock_fixture.workspaces(workspace_id);
ALTER TABLE ONLY dapi_mock_fixture.workspace_conf
    ADD CONSTRAINT workspace_conf_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES dapi_mock_fixture.workspaces(workspace_id);
ALTER TABLE ONLY dapi_mock_fixture.workspace_settings
    ADD CONSTRAINT workspace_settings_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES dapi_mock_fixture.workspaces(workspace_id);
ALTER TABLE ONLY dapi_mock_fixture.workspaces
    ADD CONSTRAINT workspaces_account_id_fkey FOREIGN KEY (account_id) REFERENCES dapi_mock_fixture.accounts(account_id);
