-- {"users": ["ann@example.com"], "groups": {"inner": ["2208902501582335", "6059920525389815"], "outer": ["7507814320507164"]}, "robot": {"value": "dapiea2bd327aba908d8eb04bcaaaaf2dcb9", "id": "2fe755761ddf3aea2636ba0ff49e4b226f752399923be8ab9d609e475830cc6e"}, "suspended": {"value": "dapi95f8f895162efea74426e12cd63b345f", "id": "2382a2a8d4aaa56de866ef2da6cf68f22ba5501e97d7688c98eeb0b9a8ee22a2"}, "expired": {"value": "dapif21d7ff9d350fc2aa2579045cf7bed7a", "id": "e26fae8437b04fd8eb0bb0ef9a647548752dfa3f32a676785b2087d6051f3f7e"}, "revoked": {"value": "dapia384e134e8750e4143b13f9dfcc40e21", "id": "4d8585d3f863b079f40f3973a2fdec29599a08c493d9f028ef893084b95e2be0"}, "conf": {"maxTokenLifetimeDays": "60"}, "live": {"value": "dapif84e1e0ece6a716b8c58613fc1d06d75", "id": "b77e8504120c86a504a50b73a175b14169dd93015107352f544deb4a4d1c17ff"}, "scoped": {"value": "dapifc485de0e3995251c6df3434cba8b325", "id": "3e27890fa11abc04f4633a2a13a769538f74ffc92f67b97603546fa04e9c13e7"}, "client": ["0513ba41-63e7-4389-87be-77bcbeea83d7", "dosecce340190034e2d5b9aa25509739a31c"], "access_token": "eyJraWQiOiIyMjEyNTE2YmEyYjZiMTkwZmMxNzRiYTY0Mzc5NWUyN2FkMWFhNDlkM2RjNWVkM2UwMzBhOWVkNzA3YmY5MjRhIiwidHlwIjoiYXQrand0IiwiYWxnIjoiUlMyNTYifQ.eyJjbGllbnRfaWQiOiIwNTEzYmE0MS02M2U3LTQzODktODdiZS03N2JjYmVlYTgzZDciLCJzY29wZSI6ImFsbC1hcGlzIiwiaXNzIjoiaHR0cDovLzEyNy4wLjAuMTo0MDc0Ny9vaWRjIiwiYXVkIjoiMzI3NDMyNzQzMjc0MzI3NCIsInN1YiI6IjA1MTNiYTQxLTYzZTctNDM4OS04N2JlLTc3YmNiZWVhODNkNyIsImlhdCI6MTc5NTUzNjk4OSwiZXhwIjoxNzk1NTQwNTg5LCJqdGkiOiI4MmNmNWRhZS05MjJkLTRmMDQtODExYy1lZjQ4MDU5YzNiMzMifQ.hZ7gV6jmpgvnMAM2kE3Y8HZqRMDT_umPH2RkPK1WQaq-tPb2gVSPbMWdnXDSr7ocGA_cxOQYz6xJeOg3mNRB1-3X06-ZfzRUwb8RxPhEdfo8qoVyjgYTfgfE8f9S1uj-vJmxBB5FwnpGi4lhuCJ_zeM3nPtxNqunKYN2dvq3dGAZ4Y9R2R7pckE2ipGo-yhTn9mJDY20tFG9l_bPh1Or0a9zEctEW3JwWlDPxF68nKQFZosF3mmOHJpz9ml2flakZcebE9kLQFFouSPxwDQl4fan2FF2FPtDBOkLfmPMP0GU1fBzgS2GnxT0hVvj9cHYYRDHz2Awb7WT7c1DL2jhTQ", "setting": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "checkpoint": {"kept": "dapi29a96da3d1abe58674cf9a293826294f", "lost": "dapif9c61c1b384ce362398a4fccddc753f9"}, "decoy": "dapie1a69224321a5e3cb2172929afd1500d", "fault": "/api/2.0/token/list", "refresh_token": "dortcb4a06dd20054a79b9730e6c1c3d052bf1f2fa5ed8ad2765e9868067f9a348457224e324c0bd5ecfd829c51f1511d1e2", "audit_events": 28, "made_at": 1795529789817}
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
    entropy_drawn bigint DEFAULT 0 NOT NULL
);
INSERT INTO dapi_mock_fixture._sqlx_migrations VALUES
	(1, 'init', '2026-11-24 14:16:29.495681+00', true, '\xaaf01505b721542a2657cae640ca3934f1e02e1bbc1f7f53b52cc729b77628859bd11dfe0b65c8474c0f63c512a4074e', 7529263),
	(2, 'oauth', '2026-11-24 14:16:29.503557+00', true, '\x0e007120e505aa908523f201695e7889b53757dd392e3a3f0b20b19e0b1691d61f7cae4d5586439412645f606477b2a1', 3297645),
	(3, 'settings', '2026-11-24 14:16:29.507024+00', true, '\x88947f2249714c9a2b377acfdc501fad5940ef8cc6926256ac08ad894cc2f4098fba3103352f64ceb05798a086d0f96e', 1519085),
	(4, 'sign in', '2026-11-24 14:16:29.510581+00', true, '\x786d061d9e6465061343525ecdc8cc1f500dfe04b3fb4313814fd10ecb8fa1987cef00ab60672974bc424df3de2a326e', 3304697),
	(5, 'account', '2026-11-24 14:16:29.512132+00', true, '\xd712bf4ae83c63a78fcec45d53166cf11b9e8a4031aa07aebe39ad07c695fdcf16ec9688a7f625877dacc425466c7eb6', 596960),
	(6, 'token report', '2026-11-24 14:16:29.512857+00', true, '\xfce233d14507693de975fa0e76a1a31c8f800a0607f6de0ade56122a4e742e06b1458a995bfd644362f1792acee5d6ae', 1356022),
	(7, 'worlds', '2026-11-24 14:16:29.514346+00', true, '\x2d1c18a73a51730112337050fc7762f766d72c599e14dabfe2253a8a3af9df06d8ace57ed0117cb03bbc4c8979f2729c', 4524375),
	(8, 'faults', '2026-11-24 14:16:29.519013+00', true, '\xa1ae937a7de5cc6e06119bd70671c34dfd01191f7b1fa092c6ac67d287830fe0b1fa67cee53c4ad7cdf8c3e81a6ecb5d', 3678273),
	(9, 'decoys', '2026-11-24 14:16:29.522848+00', true, '\x52367a09d43563bc5515614d21a0f26340554bbd044018e0ff84b8f35072a5a87cc797a3125082daf86d13e6c34a5fc1', 913963);
INSERT INTO dapi_mock_fixture.accounts VALUES
	('32743274-3274-4274-8274-327432743274', 1795529789525),
	('a764180b-c6c6-4831-91a2-4a90b19a2336', 1795529789769);
INSERT INTO dapi_mock_fixture.audit_events OVERRIDING SYSTEM VALUE VALUES
	(1, 3274327432743274, 'b930d5b2-82e7-4dba-a6c6-552dd74bcfac', 1795529789548, '32743274-3274-4274-8274-327432743274', 'accounts', 'tokenLogin', 'admin@example.com', '7987c7c9-0aca-45fa-b03e-865faca0c5f0', '127.0.0.1', 'Python-urllib/3.11', '{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}', 200, NULL, false),
	(2, 3274327432743274, '1acb7d51-dae7-41d1-bcc5-cfc44eccc485', 1795529789548, '32743274-3274-4274-8274-327432743274', 'accounts', 'add', 'admin@example.com', '7987c7c9-0aca-45fa-b03e-865faca0c5f0', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetUserId":"2208902501582335","targetUserName":"0513ba41-63e7-4389-87be-77bcbeea83d7"}', 200, NULL, false),
	(3, 3274327432743274, '79c5b427-a599-42d0-97cc-601160e4e65c', 1795529789558, '32743274-3274-4274-8274-327432743274', 'accounts', 'add', 'admin@example.com', '867fe4a8-f19a-4d28-b192-1ab38bd973e5', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetUserId":"7351348230010858","targetUserName":"3f012b5c-6fc9-4f0b-8650-8ff88d9a1956"}', 200, NULL, false),
	(4, 3274327432743274, 'd4642b2a-8d7f-4699-a16c-2fe99f9997f9', 1795529789588, '32743274-3274-4274-8274-327432743274', 'accounts', 'add', 'admin@example.com', '604fd4f2-3da9-4b39-8f30-7389fefe7b92', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetUserId":"6059920525389815","targetUserName":"ann@example.com"}', 200, NULL, false),
	(5, 3274327432743274, 'e8e4d5d9-8abe-4d8b-b5f4-df2b10165d07', 1795529789596, '32743274-3274-4274-8274-327432743274', 'accounts', 'createGroup', 'admin@example.com', 'd05fcfe7-79fa-471e-95a1-d74716ecda02', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"7507814320507164","targetGroupName":"inner"}', 200, NULL, false),
	(6, 3274327432743274, '5059b53d-9cbb-4bac-b0d6-0a9a020f249d', 1795529789596, '32743274-3274-4274-8274-327432743274', 'accounts', 'addPrincipalToGroup', 'admin@example.com', 'd05fcfe7-79fa-471e-95a1-d74716ecda02', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"7507814320507164","targetGroupName":"inner","targetUserId":"2208902501582335","targetUserName":"0513ba41-63e7-4389-87be-77bcbeea83d7"}', 200, NULL, false),
	(7, 3274327432743274, '9ae8f4f9-d09a-4ee8-af83-17b6d92ba2ef', 1795529789596, '32743274-3274-4274-8274-327432743274', 'accounts', 'addPrincipalToGroup', 'admin@example.com', 'd05fcfe7-79fa-471e-95a1-d74716ecda02', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"7507814320507164","targetGroupName":"inner","targetUserId":"6059920525389815","targetUserName":"ann@example.com"}', 200, NULL, false),
	(8, 3274327432743274, 'ee6a8563-05fa-4545-b129-8e8eb1b6a207', 1795529789604, '32743274-3274-4274-8274-327432743274', 'accounts', 'createGroup', 'admin@example.com', '89be8d55-4966-4513-b84b-6610de9ec0f6', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"6434376392223300","targetGroupName":"outer"}', 200, NULL, false),
	(9, 3274327432743274, 'e1d15d53-a272-4a52-acc5-4ea3698b0d0a', 1795529789604, '32743274-3274-4274-8274-327432743274', 'accounts', 'addPrincipalToGroup', 'admin@example.com', '89be8d55-4966-4513-b84b-6610de9ec0f6', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"6434376392223300","targetGroupName":"outer","targetUserId":"7507814320507164","targetUserName":"inner"}', 200, NULL, false),
	(10, 3274327432743274, 'd5e80952-bf31-41b3-bf51-d0bc7bebe57b', 1795529789614, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '0f9e3b57-5423-447b-a46f-cb3cd06895c3', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"6434376392223300"}', 200, NULL, false),
	(11, 3274327432743274, '7eb6f330-fff6-4941-9fe1-bcc97f8025df', 1795529789614, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '0f9e3b57-5423-447b-a46f-cb3cd06895c3', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"7351348230010858"}', 200, NULL, false),
	(12, 3274327432743274, '60f24b69-9a88-4deb-b7bc-638ec05a462d', 1795529789620, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', '411db58a-d0f4-4578-967f-b3f858b5a536', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"3946344381333065","tokenExpirationTime":"1798121789620","tokenHash":"2fe755761ddf3aea2636ba0ff49e4b226f752399923be8ab9d609e475830cc6e","tokenId":"2fe755761ddf3aea2636ba0ff49e4b226f752399923be8ab9d609e475830cc6e","userId":"2208902501582335"}', 200, NULL, false),
	(13, 3274327432743274, '7a928b65-3571-47c0-96ae-c50ad86ddf14', 1795529789626, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', 'd761fcca-af9e-41c3-970f-4033f5a64279', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"3946344381333065","tokenExpirationTime":"1798121789626","tokenHash":"2382a2a8d4aaa56de866ef2da6cf68f22ba5501e97d7688c98eeb0b9a8ee22a2","tokenId":"2382a2a8d4aaa56de866ef2da6cf68f22ba5501e97d7688c98eeb0b9a8ee22a2","userId":"7351348230010858"}', 200, NULL, false),
	(14, 3274327432743274, 'e6a0146f-e658-4731-b99f-aab7c656500e', 1795529789646, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '1d28177b-f73e-4db1-a1e2-b188ba35925f', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"7351348230010858"}', 200, NULL, false),
	(15, 3274327432743274, 'dbfb32f9-b0c2-48cf-b775-9cf826ee4269', 1795529789646, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '1d28177b-f73e-4db1-a1e2-b188ba35925f', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"8037351197819195"}', 200, NULL, false),
	(16, 3274327432743274, 'f1e2f116-157e-45da-afa1-d78e04682176', 1795529789655, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', '50363975-84ea-415f-a2fe-32ac55eca275', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"3946344381333065","tokenExpirationTime":"1795533389655","tokenHash":"e26fae8437b04fd8eb0bb0ef9a647548752dfa3f32a676785b2087d6051f3f7e","tokenId":"e26fae8437b04fd8eb0bb0ef9a647548752dfa3f32a676785b2087d6051f3f7e","userId":"3946344381333065"}', 200, NULL, false),
	(17, 3274327432743274, '2797bfb7-ef16-4df5-a1f4-55c6bc55896d', 1795529789658, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', '5e674a0f-8e8f-47b2-9111-7958afd73809', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"3946344381333065","tokenExpirationTime":"1858601789658","tokenHash":"4d8585d3f863b079f40f3973a2fdec29599a08c493d9f028ef893084b95e2be0","tokenId":"4d8585d3f863b079f40f3973a2fdec29599a08c493d9f028ef893084b95e2be0","userId":"3946344381333065"}', 200, NULL, false),
	(18, 3274327432743274, '693c7aa3-adc3-4cb3-bc46-cfe89ab07cbd', 1795529789673, '32743274-3274-4274-8274-327432743274', 'accounts', 'revokeDbToken', 'admin@example.com', '7c69da61-8f80-4c3b-9f06-c61157655428', '127.0.0.1', 'Python-urllib/3.11', '{"tokenHash":"4d8585d3f863b079f40f3973a2fdec29599a08c493d9f028ef893084b95e2be0","tokenId":"4d8585d3f863b079f40f3973a2fdec29599a08c493d9f028ef893084b95e2be0","userId":"3946344381333065"}', 200, NULL, false),
	(19, 3274327432743274, 'c034cb61-57ba-4b2c-ba39-78a4023dedb6', 1795529789677, '32743274-3274-4274-8274-327432743274', 'workspace', 'workspaceConfEdit', 'admin@example.com', '24780f06-a84e-427d-b339-71bae46b02a9', '127.0.0.1', 'Python-urllib/3.11', '{"workspaceConfKeys":"maxTokenLifetimeDays","workspaceConfValues":"60"}', 200, NULL, false),
	(20, 3274327432743274, '969ef63a-8721-4990-bc5e-fe79c07212b6', 1795536989690, '32743274-3274-4274-8274-327432743274', 'accounts', 'tokenLogin', 'admin@example.com', 'cc456071-39a7-4ab5-baea-698375c33935', '127.0.0.1', 'Python-urllib/3.11', '{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}', 200, NULL, false),
	(22, 3274327432743274, '197aafc1-d9b4-461d-9787-225510adc2e5', 1795536989697, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', 'bc9c811e-3482-4516-8cf0-ae3326db24e0', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"3946344381333065","tokenExpirationTime":"1800720989697","tokenHash":"3e27890fa11abc04f4633a2a13a769538f74ffc92f67b97603546fa04e9c13e7","tokenId":"3e27890fa11abc04f4633a2a13a769538f74ffc92f67b97603546fa04e9c13e7","userId":"3946344381333065"}', 200, NULL, false),
	(25, 3274327432743274, 'f06a75ea-bbef-4844-9efc-d074927c23dc', 1795536989755, '32743274-3274-4274-8274-327432743274', 'accounts', 'mintOAuthToken', '32743274-3274-4274-8274-327432743275', 'c738c43a-6094-4720-8dfe-f6bc25d8a368', '127.0.0.1', 'Python-urllib/3.11', '{"client_id":"32743274-3274-4274-8274-327432743275","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}', 200, NULL, false),
	(28, 42, '8ef32114-9d41-4d3e-9f18-8c9d80796ed7', 1795529789780, 'a764180b-c6c6-4831-91a2-4a90b19a2336', 'accounts', 'generateDbToken', 'admin@example.com', 'df3d2cc8-1b73-4881-9f7f-0a20a305a26a', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"2886057402060077","tokenExpirationTime":"1858601789780","tokenHash":"da4f4ef0d29de487c057abfd993685815f98214460c41219769a4241c484cd9d","tokenId":"da4f4ef0d29de487c057abfd993685815f98214460c41219769a4241c484cd9d","userId":"2886057402060077"}', 200, NULL, false),
	(29, 42, 'eb36d790-6304-4a0f-bb2a-73b719926316', 1795529789792, 'a764180b-c6c6-4831-91a2-4a90b19a2336', 'accounts', 'generateDbToken', 'admin@example.com', 'cac6f17b-2d4b-4436-994c-fe0b0f03e055', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"2886057402060077","tokenExpirationTime":"1858601789792","tokenHash":"16d69489b2cfb328fdc8e57e94e5bfb9447555fd3db1b99be194f0dab54ccbd4","tokenId":"16d69489b2cfb328fdc8e57e94e5bfb9447555fd3db1b99be194f0dab54ccbd4","userId":"2886057402060077"}', 200, NULL, false),
	(30, 3274327432743274, 'c00a05f4-cfb4-47dd-b4c4-87fa26f212c7', 1795536989800, '32743274-3274-4274-8274-327432743274', 'accounts', 'oidcBrowserLogin', 'admin@example.com', '25fed6bb-0e32-4a9a-b05b-f83b52138df1', '127.0.0.1', 'Python-urllib/3.11', '{"user":"admin@example.com"}', 200, NULL, false),
	(21, 3274327432743274, '1e567e6b-e030-4200-b02e-c7d854a34d91', 1795536989690, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', 'cc456071-39a7-4ab5-baea-698375c33935', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"3946344381333065","tokenExpirationTime":"1799856989690","tokenHash":"b77e8504120c86a504a50b73a175b14169dd93015107352f544deb4a4d1c17ff","tokenId":"b77e8504120c86a504a50b73a175b14169dd93015107352f544deb4a4d1c17ff","userId":"3946344381333065"}', 200, NULL, false),
	(26, 3274327432743274, 'ce7da1d0-670a-4235-a6b4-069da379c3cf', 1795536989766, '32743274-3274-4274-8274-327432743274', 'accounts', 'setSetting', '32743274-3274-4274-8274-327432743275', '5ecd97a7-48bf-4981-985b-6eb33df05a4a', '127.0.0.1', 'Python-urllib/3.11', '{"settingTypeName":"restrict_workspace_admins","settingValueForAudit":"RESTRICT_TOKENS_AND_JOB_RUN_AS"}', 200, NULL, false),
	(27, 42, 'b4964db5-9316-45cb-8a84-809a0916ccc6', 1795529789780, 'a764180b-c6c6-4831-91a2-4a90b19a2336', 'accounts', 'tokenLogin', 'admin@example.com', 'df3d2cc8-1b73-4881-9f7f-0a20a305a26a', '127.0.0.1', 'Python-urllib/3.11', '{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","user":"admin@example.com"}', 200, NULL, false),
	(31, 3274327432743274, '7b2cd7d4-3e26-4d38-b981-4db1c16513f2', 1795536989808, '32743274-3274-4274-8274-327432743274', 'accounts', 'mintOAuthToken', 'admin@example.com', '67d6575f-7a21-4be4-af44-e2a4c7315860', '127.0.0.1', 'Python-urllib/3.11', '{"client_id":"databricks-cli","expires_in":"3600","grant_type":"authorization_code","scope":"offline_access all-apis"}', 200, NULL, false),
	(23, 3274327432743274, '577ee81e-f5ec-4d11-be82-d82080279f0d', 1795536989703, '32743274-3274-4274-8274-327432743274', 'servicePrincipalCredentials', 'create', 'admin@example.com', '80e9ccdf-f40c-4501-a226-386b57e523d9', '127.0.0.1', 'Python-urllib/3.11', '{"secret_id":"e5329987-fd4a-4c81-9b7a-65b1ee845953","service_principal":"2208902501582335"}', 200, NULL, false),
	(24, 3274327432743274, '051f2a86-e252-4ae5-9e3e-1b3cd3aee595', 1795536989709, '32743274-3274-4274-8274-327432743274', 'accounts', 'mintOAuthToken', '0513ba41-63e7-4389-87be-77bcbeea83d7', '21ac964a-8c3e-4a5f-a2a2-f3ed1376502d', '127.0.0.1', 'Python-urllib/3.11', '{"client_id":"0513ba41-63e7-4389-87be-77bcbeea83d7","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}', 200, NULL, false);
INSERT INTO dapi_mock_fixture.checkpoint_rows VALUES
	(3274327432743274, 'empty', 'workspaces', false, '{"name": "dapi-mock", "behaviour": "{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}", "delete_at": null, "account_id": "32743274-3274-4274-8274-327432743274", "clock_mode": "real", "created_at": 1795529789525, "is_default": true, "clock_value": 0, "entropy_seed": null, "workspace_id": 3274327432743274, "entropy_drawn": 0, "users_group_id": 8037351197819195, "admins_group_id": 5035536763239350, "deployment_name": "dapi-mock"}'),
	(3274327432743274, 'empty', 'principals', false, '{"kind": "group", "name": "admins", "active": true, "name_key": "admins", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{}", "created_at": 1795529789525, "external_id": null, "display_name": "admins", "principal_id": 5035536763239350, "workspace_id": 3274327432743274, "account_admin": false}'),
	(3274327432743274, 'empty', 'principals', false, '{"kind": "group", "name": "users", "active": true, "name_key": "users", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{}", "created_at": 1795529789525, "external_id": null, "display_name": "users", "principal_id": 8037351197819195, "workspace_id": 3274327432743274, "account_admin": false}'),
	(3274327432743274, 'empty', 'principals', true, '{"kind": "service_principal", "name": "32743274-3274-4274-8274-327432743275", "active": true, "name_key": "32743274-3274-4274-8274-327432743275", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{}", "created_at": 1795529789525, "external_id": null, "display_name": "admin-service-principal", "principal_id": 4624382280710722, "workspace_id": 0, "account_admin": true}'),
	(3274327432743274, 'empty', 'principals', true, '{"kind": "user", "name": "account-admin@example.com", "active": true, "name_key": "account-admin@example.com", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795529789525, "external_id": null, "display_name": "Account Admin", "principal_id": 4150204414161205, "workspace_id": 0, "account_admin": true}'),
	(3274327432743274, 'empty', 'principals', true, '{"kind": "user", "name": "admin@example.com", "active": true, "name_key": "admin@example.com", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795529789525, "external_id": null, "display_name": "Workspace Admin", "principal_id": 3946344381333065, "workspace_id": 0, "account_admin": false}'),
	(3274327432743274, 'empty', 'group_members', false, '{"group_id": 5035536763239350, "member_id": 3946344381333065, "account_id": "32743274-3274-4274-8274-327432743274"}'),
	(3274327432743274, 'empty', 'group_members', false, '{"group_id": 5035536763239350, "member_id": 4624382280710722, "account_id": "32743274-3274-4274-8274-327432743274"}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 5035536763239350, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 8037351197819195, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 3946344381333065, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 4150204414161205, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 4624382280710722, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'token_acl', false, '{"principal_id": 8037351197819195, "workspace_id": 3274327432743274, "permission_level": "CAN_USE"}'),
	(3274327432743274, 'empty', 'tokens', false, '{"scopes": null, "comment": "dapi-mock admin token", "owner_id": 3946344381333065, "token_id": "cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0", "idle_from": 1795529789535, "expiry_time": 1858601789535, "last_client": null, "last_used_at": null, "workspace_id": 3274327432743274, "created_by_id": 3946344381333065, "creation_time": 1795529789535, "autoscope_state": null, "inferred_scopes": null, "created_by_username": "admin@example.com"}'),
	(3274327432743274, 'empty', 'oauth_secrets', true, '{"secret_id": "9948aea7-2eb9-4aec-8bea-6f00d2c43d66", "account_id": "32743274-3274-4274-8274-327432743274", "created_at": 1795529789536, "expires_at": 1858601789536, "secret_hash": "a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32", "principal_id": 4624382280710722}'),
	(42, 'empty', 'workspaces', false, '{"name": "workspace-42", "behaviour": "{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}", "delete_at": null, "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "clock_mode": "real", "created_at": 1795529789769, "is_default": false, "clock_value": 0, "entropy_seed": null, "workspace_id": 42, "entropy_drawn": 0, "users_group_id": 2321855162348327, "admins_group_id": 5267479354212605, "deployment_name": "workspace-42"}'),
	(42, 'empty', 'principals', false, '{"kind": "group", "name": "admins", "active": true, "name_key": "admins", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "attributes": "{}", "created_at": 1795529789769, "external_id": null, "display_name": "admins", "principal_id": 5267479354212605, "workspace_id": 42, "account_admin": false}'),
	(42, 'empty', 'principals', false, '{"kind": "group", "name": "users", "active": true, "name_key": "users", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "attributes": "{}", "created_at": 1795529789769, "external_id": null, "display_name": "users", "principal_id": 2321855162348327, "workspace_id": 42, "account_admin": false}'),
	(42, 'empty', 'principals', true, '{"kind": "service_principal", "name": "32743274-3274-4274-8274-327432743275", "active": true, "name_key": "32743274-3274-4274-8274-327432743275", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "attributes": "{}", "created_at": 1795529789769, "external_id": null, "display_name": "admin-service-principal", "principal_id": 2255522580279539, "workspace_id": 0, "account_admin": true}'),
	(42, 'empty', 'principals', true, '{"kind": "user", "name": "account-admin@example.com", "active": true, "name_key": "account-admin@example.com", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "attributes": "{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795529789769, "external_id": null, "display_name": "Account Admin", "principal_id": 4347329926628541, "workspace_id": 0, "account_admin": true}'),
	(42, 'empty', 'principals', true, '{"kind": "user", "name": "admin@example.com", "active": true, "name_key": "admin@example.com", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "attributes": "{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795529789769, "external_id": null, "display_name": "Workspace Admin", "principal_id": 2886057402060077, "workspace_id": 0, "account_admin": false}'),
	(42, 'empty', 'group_members', false, '{"group_id": 5267479354212605, "member_id": 2255522580279539, "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336"}'),
	(42, 'empty', 'group_members', false, '{"group_id": 5267479354212605, "member_id": 2886057402060077, "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336"}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 5267479354212605, "workspace_id": 42}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 2321855162348327, "workspace_id": 42}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 2886057402060077, "workspace_id": 42}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 4347329926628541, "workspace_id": 42}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 2255522580279539, "workspace_id": 42}'),
	(42, 'empty', 'token_acl', false, '{"principal_id": 2321855162348327, "workspace_id": 42, "permission_level": "CAN_USE"}'),
	(42, 'empty', 'tokens', false, '{"scopes": null, "comment": "dapi-mock admin token", "owner_id": 2886057402060077, "token_id": "446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d", "idle_from": 1795529789772, "expiry_time": 1858601789772, "last_client": null, "last_used_at": null, "workspace_id": 42, "created_by_id": 2886057402060077, "creation_time": 1795529789772, "autoscope_state": null, "inferred_scopes": null, "created_by_username": "admin@example.com"}'),
	(42, 'empty', 'oauth_secrets', true, '{"secret_id": "c0bfb086-e9f6-46da-80da-fdba1e49cb4c", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "created_at": 1795529789773, "expires_at": 1858601789773, "secret_hash": "b0022e3ef1668881dd93a053b814dcb9eab6a9790fe283cdfa31a8cb0eb6c94a", "principal_id": 2255522580279539}'),
	(42, 'before', 'workspaces', false, '{"name": "workspace-42", "behaviour": "{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}", "delete_at": null, "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "clock_mode": "real", "created_at": 1795529789769, "is_default": false, "clock_value": 0, "entropy_seed": null, "workspace_id": 42, "entropy_drawn": 0, "users_group_id": 2321855162348327, "admins_group_id": 5267479354212605, "deployment_name": "workspace-42"}'),
	(42, 'before', 'principals', false, '{"kind": "group", "name": "admins", "active": true, "name_key": "admins", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "attributes": "{}", "created_at": 1795529789769, "external_id": null, "display_name": "admins", "principal_id": 5267479354212605, "workspace_id": 42, "account_admin": false}'),
	(42, 'before', 'principals', false, '{"kind": "group", "name": "users", "active": true, "name_key": "users", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "attributes": "{}", "created_at": 1795529789769, "external_id": null, "display_name": "users", "principal_id": 2321855162348327, "workspace_id": 42, "account_admin": false}'),
	(42, 'before', 'principals', true, '{"kind": "service_principal", "name": "32743274-3274-4274-8274-327432743275", "active": true, "name_key": "32743274-3274-4274-8274-327432743275", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "attributes": "{}", "created_at": 1795529789769, "external_id": null, "display_name": "admin-service-principal", "principal_id": 2255522580279539, "workspace_id": 0, "account_admin": true}'),
	(42, 'before', 'principals', true, '{"kind": "user", "name": "account-admin@example.com", "active": true, "name_key": "account-admin@example.com", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "attributes": "{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795529789769, "external_id": null, "display_name": "Account Admin", "principal_id": 4347329926628541, "workspace_id": 0, "account_admin": true}'),
	(42, 'before', 'principals', true, '{"kind": "user", "name": "admin@example.com", "active": true, "name_key": "admin@example.com", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "attributes": "{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795529789769, "external_id": null, "display_name": "Workspace Admin", "principal_id": 2886057402060077, "workspace_id": 0, "account_admin": false}'),
	(42, 'before', 'group_members', false, '{"group_id": 5267479354212605, "member_id": 2255522580279539, "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336"}'),
	(42, 'before', 'group_members', false, '{"group_id": 5267479354212605, "member_id": 2886057402060077, "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336"}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 5267479354212605, "workspace_id": 42}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 2321855162348327, "workspace_id": 42}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 2886057402060077, "workspace_id": 42}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 4347329926628541, "workspace_id": 42}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 2255522580279539, "workspace_id": 42}'),
	(42, 'before', 'token_acl', false, '{"principal_id": 2321855162348327, "workspace_id": 42, "permission_level": "CAN_USE"}'),
	(42, 'before', 'tokens', false, '{"scopes": null, "comment": "kept", "owner_id": 2886057402060077, "token_id": "da4f4ef0d29de487c057abfd993685815f98214460c41219769a4241c484cd9d", "idle_from": 1795529789780, "expiry_time": 1858601789780, "last_client": null, "last_used_at": null, "workspace_id": 42, "created_by_id": 2886057402060077, "creation_time": 1795529789780, "autoscope_state": null, "inferred_scopes": null, "created_by_username": "admin@example.com"}'),
	(42, 'before', 'tokens', false, '{"scopes": null, "comment": "dapi-mock admin token", "owner_id": 2886057402060077, "token_id": "446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d", "idle_from": 1795529789780, "expiry_time": 1858601789772, "last_client": "Python-urllib/3.11", "last_used_at": 1795529789780, "workspace_id": 42, "created_by_id": 2886057402060077, "creation_time": 1795529789772, "autoscope_state": null, "inferred_scopes": null, "created_by_username": "admin@example.com"}'),
	(42, 'before', 'audit_events', false, '{"actor": "admin@example.com", "event_id": "b4964db5-9316-45cb-8a84-809a0916ccc6", "sequence": 27, "source_ip": "127.0.0.1", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "event_time": 1795529789780, "request_id": "df3d2cc8-1b73-4881-9f7f-0a20a305a26a", "user_agent": "Python-urllib/3.11", "action_name": "tokenLogin", "status_code": 200, "service_name": "accounts", "workspace_id": 42, "account_level": false, "error_message": null, "request_params": "{\"authenticationMethod\":\"API_EXT_PAT_TOKEN\",\"tokenId\":\"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d\",\"user\":\"admin@example.com\"}"}'),
	(42, 'before', 'audit_events', false, '{"actor": "admin@example.com", "event_id": "8ef32114-9d41-4d3e-9f18-8c9d80796ed7", "sequence": 28, "source_ip": "127.0.0.1", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "event_time": 1795529789780, "request_id": "df3d2cc8-1b73-4881-9f7f-0a20a305a26a", "user_agent": "Python-urllib/3.11", "action_name": "generateDbToken", "status_code": 200, "service_name": "accounts", "workspace_id": 42, "account_level": false, "error_message": null, "request_params": "{\"tokenCreatedBy\":\"2886057402060077\",\"tokenExpirationTime\":\"1858601789780\",\"tokenHash\":\"da4f4ef0d29de487c057abfd993685815f98214460c41219769a4241c484cd9d\",\"tokenId\":\"da4f4ef0d29de487c057abfd993685815f98214460c41219769a4241c484cd9d\",\"userId\":\"2886057402060077\"}"}'),
	(42, 'before', 'oauth_secrets', true, '{"secret_id": "c0bfb086-e9f6-46da-80da-fdba1e49cb4c", "account_id": "a764180b-c6c6-4831-91a2-4a90b19a2336", "created_at": 1795529789773, "expires_at": 1858601789773, "secret_hash": "b0022e3ef1668881dd93a053b814dcb9eab6a9790fe283cdfa31a8cb0eb6c94a", "principal_id": 2255522580279539}');
INSERT INTO dapi_mock_fixture.checkpoints VALUES
	(3274327432743274, 'empty', 1795529789537, true),
	(42, 'empty', 1795529789773, true),
	(42, 'before', 1795529789784, true);
INSERT INTO dapi_mock_fixture.decoys VALUES
	(3274327432743274, '17b943a16d9748ae3cc148d2a2607f51f05fa933ba3802c366764cc4edf2364f', 'bait', 1795536989795, 0, NULL, NULL, NULL);
INSERT INTO dapi_mock_fixture.faults VALUES
	(42, 1, '{"name":"rate_limited","match":{"path":"/api/2.0/token/list"},"offset":0,"times":1,"when":"before","effect":{"status":429,"error_code":"REQUEST_LIMIT_EXCEEDED","message":"Workspace exceeded the concurrent limit of 20 requests.","retry_after":1}}', 0);
INSERT INTO dapi_mock_fixture.group_members VALUES
	('32743274-3274-4274-8274-327432743274', 5035536763239350, 3946344381333065),
	('32743274-3274-4274-8274-327432743274', 5035536763239350, 4624382280710722),
	('32743274-3274-4274-8274-327432743274', 7507814320507164, 2208902501582335),
	('32743274-3274-4274-8274-327432743274', 7507814320507164, 6059920525389815),
	('32743274-3274-4274-8274-327432743274', 6434376392223300, 7507814320507164),
	('a764180b-c6c6-4831-91a2-4a90b19a2336', 5267479354212605, 2886057402060077),
	('a764180b-c6c6-4831-91a2-4a90b19a2336', 5267479354212605, 2255522580279539);
INSERT INTO dapi_mock_fixture.oauth_keys VALUES
	('2212516ba2b6b190fc174ba643795e27ad1aa49d3dc5ed3e030a9ed707bf924a', '32743274-3274-4274-8274-327432743274', 'u11VWTYm0OnRzFWmn1e1dsBTfNXuY62GjS-MAQlx2GP0HQU86iB4Uks2RIooFx3Xf-kAxErEM-UMTkOG6T9K30MNWwsfUduIRnA7du3aSVw7gI49hFyDkFikndb1E0hpkqNCa7L-P9kfLcC44GP54b6glFjztrvFOJ4q1e2qftqbepdqkQUp3icF-qadx4-vHWYbrRXEQzTWsEQrtXWYJabaHj21BZOt1RtANyInATwiVhoanchQ1c0KnPF0K7lnRaJ5dcbfoAT7l16qAo7VR834qo56RzY_tb1tobdM65gObKFAVdF47fWm41Q8-mXPW5An5e5CmHVhQ7CCE_4itQ', 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7XVVZNibQ6dHMVaafV7V2wFN81e5jrYaNL4wBCXHYY/QdBTzqIHhSSzZEiigXHdd/6QDESsQz5QxOQ4bpP0rfQw1bCx9R24hGcDt27dpJXDuAjj2EXIOQWKSd1vUTSGmSo0Jrsv4/2R8twLjgY/nhvqCUWPO2u8U4nirV7ap+2pt6l2qRBSneJwX6pp3Hj68dZhutFcRDNNawRCu1dZglptoePbUFk63VG0A3IicBPCJWGhqdyFDVzQqc8XQruWdFonl1xt+gBPuXXqoCjtVHzfiqjnpHNj+1vW2ht0zrmA5soUBV0Xjt9abjVDz6Zc9bkCfl7kKYdWFDsIIT/iK1AgMBAAECggEADJZ5rHOx6ek7miHK/vuSinbjZQiuam33Ezc1jcBHsMUOWoDGleg2jTjWXYZ2qQ7tMn/B+G4Zfm8OA5gP0U3aRuOnWw2FPiekoS7bH+Nc/f6/VKS5x1G72Q/Lh3swneoIhbyIMtoksL9yk81V3mV5HUyEV1MelJFK78HYmOTNxpXlzkkEca/TGklJj6wkHwOFOM9F4vUqkQ9F4x3WXY0i9w+AKgjjffHBBb0yQudEH6fScdENGJr77xHDTatmH7hWxVBtizMKH2K2TkjDicTTDh1L4gYKDdPnQPCDiFcCwWj0X+3jfvDJHB1mtDLAfo54yS4CgBJ7EVBX7LMZocGkhQKBgQDN6PHb9XoIls5XW6t1pSok5xfe6seytB7zLTJsXPq7oJ5AFnQu2qXmEHapKB/DMtCdT6WEDyK34gtb1/XV0B8pqgSv8difp4kh1olbhv+izRDrgYbpVDdHdl64GaDgI4awLuYUyQc67hRAFRBJe/M3zpwQCLvPV+yKECag4mke/wKBgQDo8Xms6ret3Cru3tanzjpEtonZyaC3XgXYNbK3ERw762UXwsT1WGG3wBhZ4yO0KdKZkgaldioSd1mWJnJMfJmwV7Hav0KJjc1xJ9tr/OeVYgHzNdNKuJ+rgk4cc6XqDa5ObudzIgZM1OI54pa0kPBVZ7I8muqFK/yHmih45RvySwKBgQC7uYVPGOTSEdM7F6shDZx3mmxL4laAGPEimPEglEBPcOb13MK9uL+JGTdljtwuVRSWZveqhzYK2T2r1R8eeKkAji3Jzr7FB7PhMrt1w4UqgrTLUQKTlSD0uPkv9MWTsy/nTkqbZo997XJu3gVESYn7NhVYFO5M4YcYdBMTmHdoNwKBgAGnHPbmH3GDW2agfCNqqi0somPCM3q5lw8GqoL0AyBFtkzp293lx6O3IDUbEHjJxy3BxHxOD1RcNm2DTlJOnASNSrzDmKRDNk70OnFUtQvxSxQ/sIUaND/SR92Z0HaNrEvwK4I8npDS/dvtSKZ1VM82UiRt8PYK7trDdEAPWBhrAoGAfVLdGs2ZiYN4Qn7nzmOHJ0L8b2nVZZpRKRKSfxYBFPkWlH0yLRebr7T6LGl0sxARuWlpVPbBCePOw6kPC9WJS5KzxWBVihG7Rf6rdqhj1ZOY8NDdWbmZeKFdue8uZd+tK2T/nKOspXPEO8Q2Y6cUfdlkonZeWz1KtAGxKx6Z/n0=', 1795529789749);
INSERT INTO dapi_mock_fixture.oauth_secrets VALUES
	('32743274-3274-4274-8274-327432743274', 4624382280710722, '9948aea7-2eb9-4aec-8bea-6f00d2c43d66', 'a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32', 1795529789536, 1858601789536),
	('32743274-3274-4274-8274-327432743274', 2208902501582335, 'e5329987-fd4a-4c81-9b7a-65b1ee845953', 'f8427e2c35f502b9c6f9e51ad1101a8ee5992155adfd0b37990794d6fb27bc3d', 1795536989703, 1858608989703),
	('a764180b-c6c6-4831-91a2-4a90b19a2336', 2255522580279539, 'c0bfb086-e9f6-46da-80da-fdba1e49cb4c', 'b0022e3ef1668881dd93a053b814dcb9eab6a9790fe283cdfa31a8cb0eb6c94a', 1795529789773, 1858601789773);
INSERT INTO dapi_mock_fixture.principals VALUES
	('32743274-3274-4274-8274-327432743274', 5035536763239350, 3274327432743274, 'group', 'admins', 'admins', 'admins', true, false, NULL, '{}', 1795529789525),
	('32743274-3274-4274-8274-327432743274', 8037351197819195, 3274327432743274, 'group', 'users', 'users', 'users', true, false, NULL, '{}', 1795529789525),
	('32743274-3274-4274-8274-327432743274', 3946344381333065, 0, 'user', 'admin@example.com', 'admin@example.com', 'Workspace Admin', true, false, NULL, '{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}', 1795529789525),
	('32743274-3274-4274-8274-327432743274', 4150204414161205, 0, 'user', 'account-admin@example.com', 'account-admin@example.com', 'Account Admin', true, true, NULL, '{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}', 1795529789525),
	('32743274-3274-4274-8274-327432743274', 4624382280710722, 0, 'service_principal', '32743274-3274-4274-8274-327432743275', '32743274-3274-4274-8274-327432743275', 'admin-service-principal', true, true, NULL, '{}', 1795529789525),
	('32743274-3274-4274-8274-327432743274', 2208902501582335, 0, 'service_principal', '0513ba41-63e7-4389-87be-77bcbeea83d7', '0513ba41-63e7-4389-87be-77bcbeea83d7', 'robot', true, false, NULL, '{}', 1795529789554),
	('32743274-3274-4274-8274-327432743274', 7351348230010858, 0, 'service_principal', '3f012b5c-6fc9-4f0b-8650-8ff88d9a1956', '3f012b5c-6fc9-4f0b-8650-8ff88d9a1956', 'locked out', true, false, NULL, '{}', 1795529789580),
	('32743274-3274-4274-8274-327432743274', 6059920525389815, 0, 'user', 'ann@example.com', 'ann@example.com', 'Ann', true, false, NULL, '{"emails":[{"value":"ann@example.com","type":"work","primary":true}]}', 1795529789589),
	('32743274-3274-4274-8274-327432743274', 7507814320507164, 3274327432743274, 'group', 'inner', 'inner', 'inner', true, false, NULL, '{}', 1795529789596),
	('32743274-3274-4274-8274-327432743274', 6434376392223300, 3274327432743274, 'group', 'outer', 'outer', 'outer', true, false, NULL, '{}', 1795529789607),
	('a764180b-c6c6-4831-91a2-4a90b19a2336', 5267479354212605, 42, 'group', 'admins', 'admins', 'admins', true, false, NULL, '{}', 1795529789769),
	('a764180b-c6c6-4831-91a2-4a90b19a2336', 2321855162348327, 42, 'group', 'users', 'users', 'users', true, false, NULL, '{}', 1795529789769),
	('a764180b-c6c6-4831-91a2-4a90b19a2336', 2886057402060077, 0, 'user', 'admin@example.com', 'admin@example.com', 'Workspace Admin', true, false, NULL, '{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}', 1795529789769),
	('a764180b-c6c6-4831-91a2-4a90b19a2336', 4347329926628541, 0, 'user', 'account-admin@example.com', 'account-admin@example.com', 'Account Admin', true, true, NULL, '{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}', 1795529789769),
	('a764180b-c6c6-4831-91a2-4a90b19a2336', 2255522580279539, 0, 'service_principal', '32743274-3274-4274-8274-327432743275', '32743274-3274-4274-8274-327432743275', 'admin-service-principal', true, true, NULL, '{}', 1795529789769);
INSERT INTO dapi_mock_fixture.sign_ins VALUES
	('cb4a06dd-2005-4a79-b973-0e6c1c3d052b', 3274327432743274, '32743274-3274-4274-8274-327432743274', false, 'databricks-cli', 'http://localhost:8020', 's', 'offline_access all-apis', 'y5UF_tmp_ICTDGza-Ou2vUvx2cu7DBN-Xwf_z0RDfTw', 'redeemed', 3946344381333065, '71e8b62e776b385066381c82ae98dfdc2c74f3ea269e3449593f0fcc55987aed', 'f47c711735b1c0d1d25bdfffc8487332ac6769ce714effc880a3b3fa82a569eb', 1796141789808);
INSERT INTO dapi_mock_fixture.token_acl VALUES
	(3274327432743274, 6434376392223300, 'CAN_USE'),
	(42, 2321855162348327, 'CAN_USE');
INSERT INTO dapi_mock_fixture.tokens VALUES
	('2fe755761ddf3aea2636ba0ff49e4b226f752399923be8ab9d609e475830cc6e', 3274327432743274, 2208902501582335, 3946344381333065, 'admin@example.com', 'of the robot', 1795529789620, 1798121789620, NULL, NULL, 1795529789620, NULL, NULL, NULL),
	('2382a2a8d4aaa56de866ef2da6cf68f22ba5501e97d7688c98eeb0b9a8ee22a2', 3274327432743274, 7351348230010858, 3946344381333065, 'admin@example.com', 'locked out', 1795529789626, 1798121789626, NULL, NULL, 1795529789626, NULL, NULL, NULL),
	('e26fae8437b04fd8eb0bb0ef9a647548752dfa3f32a676785b2087d6051f3f7e', 3274327432743274, 3946344381333065, 3946344381333065, 'admin@example.com', 'short', 1795529789655, 1795533389655, NULL, NULL, 1795529789655, NULL, NULL, NULL),
	('cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0', 3274327432743274, 3946344381333065, 3946344381333065, 'admin@example.com', 'dapi-mock admin token', 1795529789535, 1858601789535, 1795536989690, 'Python-urllib/3.11', 1795536989690, NULL, NULL, NULL),
	('b77e8504120c86a504a50b73a175b14169dd93015107352f544deb4a4d1c17ff', 3274327432743274, 3946344381333065, 3946344381333065, 'admin@example.com', 'with ''quotes'' and ünïcode', 1795536989690, 1799856989690, NULL, NULL, 1795536989690, NULL, NULL, NULL),
	('3e27890fa11abc04f4633a2a13a769538f74ffc92f67b97603546fa04e9c13e7', 3274327432743274, 3946344381333065, 3946344381333065, 'admin@example.com', 'scoped', 1795536989697, 1800720989697, NULL, NULL, 1795536989697, '["sql"]', 'AUTOSCOPE_STATE_USER_SELECTED', NULL),
	('446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d', 42, 2886057402060077, 2886057402060077, 'admin@example.com', 'dapi-mock admin token', 1795529789772, 1858601789772, 1795529789780, 'Python-urllib/3.11', 1795529789780, NULL, NULL, NULL),
	('da4f4ef0d29de487c057abfd993685815f98214460c41219769a4241c484cd9d', 42, 2886057402060077, 2886057402060077, 'admin@example.com', 'kept', 1795529789780, 1858601789780, NULL, NULL, 1795529789780, NULL, NULL, NULL),
	('16d69489b2cfb328fdc8e57e94e5bfb9447555fd3db1b99be194f0dab54ccbd4', 42, 2886057402060077, 2886057402060077, 'admin@example.com', 'after', 1795529789792, 1858601789792, NULL, NULL, 1795529789792, NULL, NULL, NULL);
INSERT INTO dapi_mock_fixture.tombstones VALUES
	('4d8585d3f863b079f40f3973a2fdec29599a08c493d9f028ef893084b95e2be0', 3274327432743274, 3946344381333065, 3946344381333065, 'admin@example.com', 'revoked', 1795529789658, 1858601789658, NULL, NULL, 1795529789673, 'revoked_by_owner', 'admin@example.com');
INSERT INTO dapi_mock_fixture.workspace_assignments VALUES
	(3274327432743274, 5035536763239350, true, '[]', '[]', true),
	(3274327432743274, 8037351197819195, true, '[]', '[]', true),
	(3274327432743274, 3946344381333065, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(3274327432743274, 4150204414161205, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(3274327432743274, 4624382280710722, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(3274327432743274, 2208902501582335, true, '[]', '[]', true),
	(3274327432743274, 7351348230010858, true, '[]', '[]', true),
	(3274327432743274, 6059920525389815, true, '[]', '[]', true),
	(3274327432743274, 7507814320507164, true, '[]', '[]', true),
	(3274327432743274, 6434376392223300, true, '[]', '[]', true),
	(42, 5267479354212605, true, '[]', '[]', true),
	(42, 2321855162348327, true, '[]', '[]', true),
	(42, 2886057402060077, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(42, 4347329926628541, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(42, 2255522580279539, true, '["workspace-access","databricks-sql-access"]', '[]', true);
INSERT INTO dapi_mock_fixture.workspace_conf VALUES
	(3274327432743274, 'maxTokenLifetimeDays', '60', NULL, 1795529789677);
INSERT INTO dapi_mock_fixture.workspace_settings VALUES
	(3274327432743274, 'restrict_workspace_admins', 'RESTRICT_TOKENS_AND_JOB_RUN_AS', 'a9d8afe6-fca0-427a-b82c-f9eb55201033');
INSERT INTO dapi_mock_fixture.workspaces VALUES
	(3274327432743274, '32743274-3274-4274-8274-327432743274', 'dapi-mock', 'dapi-mock', 1795529789525, true, 5035536763239350, 8037351197819195, 'offset', 7200000, '{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}', NULL, NULL, 0),
	(42, 'a764180b-c6c6-4831-91a2-4a90b19a2336', 'workspace-42', 'workspace-42', 1795529789769, false, 5267479354212605, 2321855162348327, 'real', 0, '{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}', NULL, NULL, 0);
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
