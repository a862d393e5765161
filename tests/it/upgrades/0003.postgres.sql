-- {"users": ["ann@example.com"], "groups": {"inner": ["6757441188026473", "2866905072485634"], "outer": ["4741070363846863"]}, "robot": {"value": "dapie9d2cbd552d1f4b2de92f354550ae46c", "id": "85f755fcbaba9331e065240e4ee156c0ff00a937edd5bcd8c5a07c3d63d6482c"}, "suspended": {"value": "dapie147cc5aa3e0ea1d2026c9f7d55b84bb", "id": "0eb029059953fab402883b01ec5546b30d952eaee65516944b17a198af1b6a80"}, "expired": {"value": "dapi50888b4bcd387bde5bd7f2ec73adcff9", "id": "02fdbbc433300d99016f741efa36f792aea2b2de4b2818217d25ef7d5fc8225f"}, "revoked": {"value": "dapib45380c80d791cf6f88905d6a9990d53", "id": "cc5cf883db398622f942bda4314843896cd900565665711affbb037a5ad6e61b"}, "conf": {"maxTokenLifetimeDays": "60"}, "live": {"value": "dapi519352fa0fe9878c5d4169a67b24929f", "id": "1c02c58f37198935316616f9f985d52583fac84533cf0f5c786f5b5a34692048"}, "scoped": {"value": "dapi1fdb480cd8362099511d95248727d56d", "id": "c45f84933e769c45b2ab6f59a681ac29fa25fc51e64c87d65328026d99f6ab2d"}, "client": ["4ea82c60-0f34-4fa1-b68d-b1349cdb8b2f", "doseb3adb276f01ea1e3b74847ee9392d1a1"], "access_token": "eyJraWQiOiJjNmNkYzA2Zjk3MWI2NGY4MDQ1ZDkzY2Q1ODZjZmM2ZjRmNjQzNDA0Nzg1NDE4ZDkwZTg3MWM3YzY1MGE1NjZhIiwidHlwIjoiYXQrand0IiwiYWxnIjoiUlMyNTYifQ.eyJjbGllbnRfaWQiOiI0ZWE4MmM2MC0wZjM0LTRmYTEtYjY4ZC1iMTM0OWNkYjhiMmYiLCJzY29wZSI6ImFsbC1hcGlzIiwiaXNzIjoiaHR0cDovLzEyNy4wLjAuMTozNjUxMy9vaWRjIiwiYXVkIjoiMzI3NDMyNzQzMjc0MzI3NCIsInN1YiI6IjRlYTgyYzYwLTBmMzQtNGZhMS1iNjhkLWIxMzQ5Y2RiOGIyZiIsImlhdCI6MTc5NTUzNjk5MCwiZXhwIjoxNzk1NTQwNTkwLCJqdGkiOiI3MjlkNDcyNy03MmYyLTQ4NGItODBlOC02OGY5NzM0MjE4MmIifQ.ktV3mx1US0rC9x8CfwCGR1T_MJzy5O6uiOkTa5aGN_XVzmDvF2GpTa_OiU0K-rp5WffeV2jd3DgpJLYzpP4N_kA6LCMmuUvneIyJVLHeZSVU8c39dKzEQGzjRDJM5MuyPSvJrtLmejlMKIg8UjpHMCNLR7roSpYC76QDT7c4vYzEc9WaeQ6Qtc8_JGMhhwM26PryDDv9XC-omWUQwQmTUHJwc2Ba2Xg-Qkc5RC2F8ZBeolLJqHVk--dXIbiF3ZvUUcO6-Lgj9VbWggaw_C-1TA0DLclD00MDec5zLSYqXY_xF0SUhARTb3IAoEe3aVB3nb99fw2Q_fy171By2rOwfw", "setting": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "audit_events": 24, "made_at": 1795529790781}
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
    error_message text COLLATE pg_catalog."C"
);
ALTER TABLE dapi_mock_fixture.audit_events ALTER COLUMN sequence ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME dapi_mock_fixture.audit_events_sequence_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
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
    roles text NOT NULL COLLATE pg_catalog."C"
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
    behaviour text NOT NULL COLLATE pg_catalog."C"
);
INSERT INTO dapi_mock_fixture._sqlx_migrations VALUES
	(1, 'init', '2026-11-24 14:16:30.513429+00', true, '\xaaf01505b721542a2657cae640ca3934f1e02e1bbc1f7f53b52cc729b77628859bd11dfe0b65c8474c0f63c512a4074e', 13691620),
	(2, 'oauth', '2026-11-24 14:16:30.527502+00', true, '\x0e007120e505aa908523f201695e7889b53757dd392e3a3f0b20b19e0b1691d61f7cae4d5586439412645f606477b2a1', 1886322),
	(3, 'settings', '2026-11-24 14:16:30.529542+00', true, '\x88947f2249714c9a2b377acfdc501fad5940ef8cc6926256ac08ad894cc2f4098fba3103352f64ceb05798a086d0f96e', 5737463);
INSERT INTO dapi_mock_fixture.accounts VALUES
	('32743274-3274-4274-8274-327432743274', 1795529790539);
INSERT INTO dapi_mock_fixture.audit_events OVERRIDING SYSTEM VALUE VALUES
	(1, 3274327432743274, '1aa3e005-c3e9-4b0f-b612-08bcab4ecf8d', 1795529790553, '32743274-3274-4274-8274-327432743274', 'accounts', 'tokenLogin', 'admin@example.com', 'e1399ded-ba8c-433d-b3b0-5ac732aad170', '127.0.0.1', 'Python-urllib/3.11', '{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}', 200, NULL),
	(2, 3274327432743274, '91365bcb-dec1-4be7-9e8e-eca9b85b4f1d', 1795529790553, '32743274-3274-4274-8274-327432743274', 'accounts', 'add', 'admin@example.com', 'e1399ded-ba8c-433d-b3b0-5ac732aad170', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetUserId":"6757441188026473","targetUserName":"4ea82c60-0f34-4fa1-b68d-b1349cdb8b2f"}', 200, NULL),
	(3, 3274327432743274, '42e16416-560d-4c38-8bb9-6a61b634a8d2', 1795529790567, '32743274-3274-4274-8274-327432743274', 'accounts', 'add', 'admin@example.com', '5b2886b4-7f2e-4f74-b689-e11879388865', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetUserId":"1697825357490163","targetUserName":"46e48e50-9dc5-4825-a2c1-0cfe08392ec6"}', 200, NULL),
	(4, 3274327432743274, '4944bbe6-673a-48c9-bc38-d8a52586e670', 1795529790571, '32743274-3274-4274-8274-327432743274', 'accounts', 'add', 'admin@example.com', 'c61e6062-9eef-412d-a8de-74ba76f3538d', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetUserId":"2866905072485634","targetUserName":"ann@example.com"}', 200, NULL),
	(5, 3274327432743274, '37568f87-0565-4df2-9c9b-33b0212b6c90', 1795529790575, '32743274-3274-4274-8274-327432743274', 'accounts', 'createGroup', 'admin@example.com', '6d1888e2-8021-40ac-891a-beeab973f238', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"4741070363846863","targetGroupName":"inner"}', 200, NULL),
	(6, 3274327432743274, 'c86e874e-3bfc-4003-a055-52a7ca0a8207', 1795529790575, '32743274-3274-4274-8274-327432743274', 'accounts', 'addPrincipalToGroup', 'admin@example.com', '6d1888e2-8021-40ac-891a-beeab973f238', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"4741070363846863","targetGroupName":"inner","targetUserId":"2866905072485634","targetUserName":"ann@example.com"}', 200, NULL),
	(7, 3274327432743274, 'eb12164f-dd6a-4b47-995d-43c9c01b3b03', 1795529790575, '32743274-3274-4274-8274-327432743274', 'accounts', 'addPrincipalToGroup', 'admin@example.com', '6d1888e2-8021-40ac-891a-beeab973f238', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"4741070363846863","targetGroupName":"inner","targetUserId":"6757441188026473","targetUserName":"4ea82c60-0f34-4fa1-b68d-b1349cdb8b2f"}', 200, NULL),
	(8, 3274327432743274, 'bb98e592-bf22-4615-9dcf-29f61202dfe1', 1795529790581, '32743274-3274-4274-8274-327432743274', 'accounts', 'createGroup', 'admin@example.com', 'c1fd81b7-6c33-455d-8ec6-6b4e26e7ea84', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"5673244607490243","targetGroupName":"outer"}', 200, NULL),
	(9, 3274327432743274, 'acb8c91a-4d7d-4f1a-85a8-7bbe214c72bf', 1795529790581, '32743274-3274-4274-8274-327432743274', 'accounts', 'addPrincipalToGroup', 'admin@example.com', 'c1fd81b7-6c33-455d-8ec6-6b4e26e7ea84', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"5673244607490243","targetGroupName":"outer","targetUserId":"4741070363846863","targetUserName":"inner"}', 200, NULL),
	(10, 3274327432743274, '751c6831-6ce2-49c1-a0c3-db211f5411e8', 1795529790589, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '772b3781-4fac-4436-b635-a84d648c1aa2', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"1697825357490163"}', 200, NULL),
	(11, 3274327432743274, '23fef287-b8a7-4239-83ba-324100e038cf', 1795529790589, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '772b3781-4fac-4436-b635-a84d648c1aa2', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"5673244607490243"}', 200, NULL),
	(12, 3274327432743274, 'eed2a164-4103-4325-b137-2cbe04056588', 1795529790594, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', 'a386753b-8923-4032-b6f5-b74ff4e5a73f', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"6481858967248034","tokenExpirationTime":"1798121790594","tokenHash":"85f755fcbaba9331e065240e4ee156c0ff00a937edd5bcd8c5a07c3d63d6482c","tokenId":"85f755fcbaba9331e065240e4ee156c0ff00a937edd5bcd8c5a07c3d63d6482c","userId":"6757441188026473"}', 200, NULL),
	(13, 3274327432743274, 'f50e9578-7d51-430b-ac9a-3dfd58942539', 1795529790598, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', '47274d1d-da7d-4f3b-bb8e-29594ffc98f7', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"6481858967248034","tokenExpirationTime":"1798121790598","tokenHash":"0eb029059953fab402883b01ec5546b30d952eaee65516944b17a198af1b6a80","tokenId":"0eb029059953fab402883b01ec5546b30d952eaee65516944b17a198af1b6a80","userId":"1697825357490163"}', 200, NULL),
	(14, 3274327432743274, '6a8a6bdf-2d8e-4ac2-bb1e-972b93a43592', 1795529790601, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '4d6b9f05-d11d-46cf-8196-df2e7c037985', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"1697825357490163"}', 200, NULL),
	(15, 3274327432743274, '89dd5904-779b-467f-a017-dd784acafa22', 1795529790601, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '4d6b9f05-d11d-46cf-8196-df2e7c037985', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"6347919853185408"}', 200, NULL),
	(16, 3274327432743274, '12562c4a-5d66-42ab-9640-293136f952d7', 1795529790604, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', 'b8e08098-f9eb-48de-8b3f-432eba08a070', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"6481858967248034","tokenExpirationTime":"1795533390604","tokenHash":"02fdbbc433300d99016f741efa36f792aea2b2de4b2818217d25ef7d5fc8225f","tokenId":"02fdbbc433300d99016f741efa36f792aea2b2de4b2818217d25ef7d5fc8225f","userId":"6481858967248034"}', 200, NULL),
	(17, 3274327432743274, '804ef9d8-7563-45cc-a6f6-5d84b1f6a11a', 1795529790607, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', '3e404bbb-2124-42c8-a9d8-99225f046ded', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"6481858967248034","tokenExpirationTime":"1858601790607","tokenHash":"cc5cf883db398622f942bda4314843896cd900565665711affbb037a5ad6e61b","tokenId":"cc5cf883db398622f942bda4314843896cd900565665711affbb037a5ad6e61b","userId":"6481858967248034"}', 200, NULL),
	(18, 3274327432743274, '76045c8d-d1bf-45bb-99fd-b3ca7ed524d6', 1795529790610, '32743274-3274-4274-8274-327432743274', 'accounts', 'revokeDbToken', 'admin@example.com', 'bd078195-39dd-49ab-9b0e-9d02f4f38b0a', '127.0.0.1', 'Python-urllib/3.11', '{"tokenHash":"cc5cf883db398622f942bda4314843896cd900565665711affbb037a5ad6e61b","tokenId":"cc5cf883db398622f942bda4314843896cd900565665711affbb037a5ad6e61b","userId":"6481858967248034"}', 200, NULL),
	(19, 3274327432743274, '87ad7fc8-f83f-42c7-8c0e-8ad6c145be78', 1795529790613, '32743274-3274-4274-8274-327432743274', 'workspace', 'workspaceConfEdit', 'admin@example.com', 'b215a45f-65fb-4508-a462-5caa12f9e2ba', '127.0.0.1', 'Python-urllib/3.11', '{"workspaceConfKeys":"maxTokenLifetimeDays","workspaceConfValues":"60"}', 200, NULL),
	(20, 3274327432743274, '201d35c2-9d24-4fef-a521-aa2e9ba509ea', 1795536990625, '32743274-3274-4274-8274-327432743274', 'accounts', 'tokenLogin', 'admin@example.com', '614a21e0-6509-47b0-a7a0-a79419b5c54f', '127.0.0.1', 'Python-urllib/3.11', '{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}', 200, NULL),
	(21, 3274327432743274, '368cad69-316e-4983-8d71-e057e248b133', 1795536990625, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', '614a21e0-6509-47b0-a7a0-a79419b5c54f', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"6481858967248034","tokenExpirationTime":"1799856990625","tokenHash":"1c02c58f37198935316616f9f985d52583fac84533cf0f5c786f5b5a34692048","tokenId":"1c02c58f37198935316616f9f985d52583fac84533cf0f5c786f5b5a34692048","userId":"6481858967248034"}', 200, NULL),
	(22, 3274327432743274, 'df495404-3c41-4f99-adad-cc62aa1c013a', 1795536990629, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', '5bf7457d-74bd-415f-b678-8526c9a27034', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"6481858967248034","tokenExpirationTime":"1800720990629","tokenHash":"c45f84933e769c45b2ab6f59a681ac29fa25fc51e64c87d65328026d99f6ab2d","tokenId":"c45f84933e769c45b2ab6f59a681ac29fa25fc51e64c87d65328026d99f6ab2d","userId":"6481858967248034"}', 200, NULL),
	(23, 3274327432743274, '411ce15e-1202-43ef-b4d5-d9a8410dd674', 1795536990636, '32743274-3274-4274-8274-327432743274', 'servicePrincipalCredentials', 'create', 'admin@example.com', '4e39916a-b52e-4ca7-860c-f10f07a2cc95', '127.0.0.1', 'Python-urllib/3.11', '{"secret_id":"9092eac6-8f5e-4ad9-aea8-c5e6fbfb6cae","service_principal":"6757441188026473"}', 200, NULL),
	(24, 3274327432743274, '3db35c97-63e2-4009-8e29-1226ed3b536d', 1795536990775, '32743274-3274-4274-8274-327432743274', 'accounts', 'setSetting', '32743274-3274-4274-8274-327432743275', 'a0fde82f-d8c1-4697-b597-e1b28a0d6ec8', '127.0.0.1', 'Python-urllib/3.11', '{"settingTypeName":"restrict_workspace_admins","settingValueForAudit":"RESTRICT_TOKENS_AND_JOB_RUN_AS"}', 200, NULL);
INSERT INTO dapi_mock_fixture.group_members VALUES
	('32743274-3274-4274-8274-327432743274', 8068809353901295, 6481858967248034),
	('32743274-3274-4274-8274-327432743274', 8068809353901295, 7690373767604651),
	('32743274-3274-4274-8274-327432743274', 4741070363846863, 2866905072485634),
	('32743274-3274-4274-8274-327432743274', 4741070363846863, 6757441188026473),
	('32743274-3274-4274-8274-327432743274', 5673244607490243, 4741070363846863);
INSERT INTO dapi_mock_fixture.oauth_keys VALUES
	('c6cdc06f971b64f8045d93cd586cfc6f4f643404785418d90e871c7c650a566a', '32743274-3274-4274-8274-327432743274', 'quoDSyXA7WVAD9tEGlyXRIyMkzH7eruU2yk8G3IN2uTNMPTh_f5CkT8Rx5idA5LMtjopiNSxQoQRUkI1R_2QEghfHbu2DFd-e4dqcSsNAWuleWZJQ0U9G-z8iHqSxTXyn0xZk-krUNeo5_2_YKtA7rjVgzHRXA4saRQnYK6kGVVdHU4hiTtQJJb6Ory-bHT9UXh0AqKBLZ2i71K9axZViPy2tw8Rj2JTxibzMFtxrB6WSYCpDl9kD_zt73UKP76Uhhp8tT7TM--pDuXVhgUCVp5yyiIbOqI68vjHPAz23p10pyN4BqQSZvHS7zaqr26YG3eylogPfvsjTa3YFffPcw', 'MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCq6gNLJcDtZUAP20QaXJdEjIyTMft6u5TbKTwbcg3a5M0w9OH9/kKRPxHHmJ0Dksy2OimI1LFChBFSQjVH/ZASCF8du7YMV357h2pxKw0Ba6V5ZklDRT0b7PyIepLFNfKfTFmT6StQ16jn/b9gq0DuuNWDMdFcDixpFCdgrqQZVV0dTiGJO1Aklvo6vL5sdP1ReHQCooEtnaLvUr1rFlWI/La3DxGPYlPGJvMwW3GsHpZJgKkOX2QP/O3vdQo/vpSGGny1PtMz76kO5dWGBQJWnnLKIhs6ojry+Mc8DPbenXSnI3gGpBJm8dLvNqqvbpgbd7KWiA9++yNNrdgV989zAgMBAAECggEALdTOyUn4cDBke1wK6R7HGYSu9ZHDo+fFRPfLvHhbKsWMGIKyT0/tPdGxzNop0Jl+96alGKIgXnvXwT0r2IAwMAW6q9h4OtsDedCYRHyM4kKhfupk3vskJebo2Rg1X1jWFM1+f+FY0jbifkNXHG8P3HQIHUQwpgTO9+aFoLF0I66GMcTHQILfUQLuXM1q76yo3XSTG33D705oY39g6g+JnAtpOLPKYFCneJJ0QDg0dXdWeobkyTyZwRQ5rVy1tGtBcA2iSEhBcBucYEP17sNoviEomyO+dCJq1Dv4MvwYm0m5mIRdL6yHyXbgdJTUWksW9v6tPY7NhTDE5f/zP2A2QQKBgQDMp7YpX18tAM5isAalNXt7IfB5WTfASb0oyFAGf6wLb4cUr+mGR7AKeNexdJR0SURCp4O5Kj1DJKvWhtRYCBz82NqdKOhktOAlAgr4CTxRmv4j67oNuMUDjdgVwyYATWtBBjLUuGZI3i/MdpOQP9gU8HPpk+J2y+3WVgUg/SSN4wKBgQDVyzu3aLqqNNo6JGzcC/Mezt91z12mzLXbz43LQ2Ska7gKNZJJDpunAg7Fd6fOfDtBklos+66270AJfRpub3AYk03/kU/LDLHQYgmmw2oKlrcFl7F56p37T7PfI/F8iLaaQ5hstUNcE/q4mqWYXZdeOZZEaxdoOHsxTt+sPWVtMQKBgQDDL91Lvjs+57rvYqUj4ktf17HLeqzyhyGTCOFSIWhMC9WQhGo7+JlMk45cIC0Kb2pcC/pUmpWNOSdu1m8leq9y87wlEgP7MItqoHUntV9DEYj7Z3KubZ/xUNJbhyDyPuRhQvEt8qUTMF30Ks94T3veFKrohnQCC2NN/gKsQOMhMwKBgQCO4JF6Ez2cflHRRYKS1FGYJzzjqL+3t1taGS1zyAg8cdi+yeqHdIHFbPSeN0coEZIwUjR9l329t8qeDMNbRpItelRIFb6zvjofP0Wf8zys8uhBjo0HIyqNR0i4OXcreNo/4ii9ja4EnT2TnZZJa1K7n9SyyLcN6aE65LFKlIVyIQKBgA590cv84cfh4igwEE/0xvVrwP1Za06012z3BUGM0tO0EV9TxDKO88NeE+XB3vpzODbkFdeORnbXh9elVgkpER5Jc4UBFHYQJ8aNkqxRbNKh4nkzWwx3Bdy/WXb1hPjFTsD3fOCqCiQS1TzWmGwBY0qWAXu+F93qmfApOOSPlp7G', 1795529790762);
INSERT INTO dapi_mock_fixture.oauth_secrets VALUES
	('32743274-3274-4274-8274-327432743274', 7690373767604651, '2596743e-86a5-48a5-89b8-7d2223aea5e3', 'a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32', 1795529790547, 1858601790547),
	('32743274-3274-4274-8274-327432743274', 6757441188026473, '9092eac6-8f5e-4ad9-aea8-c5e6fbfb6cae', 'f92c532dee57a836f1dcad49ff4681951dea625bc01475ae10d68e8cc701e3db', 1795536990636, 1858608990636);
INSERT INTO dapi_mock_fixture.principals VALUES
	('32743274-3274-4274-8274-327432743274', 8068809353901295, 3274327432743274, 'group', 'admins', 'admins', 'admins', true, false, NULL, '{}', 1795529790539),
	('32743274-3274-4274-8274-327432743274', 6347919853185408, 3274327432743274, 'group', 'users', 'users', 'users', true, false, NULL, '{}', 1795529790539),
	('32743274-3274-4274-8274-327432743274', 6481858967248034, 0, 'user', 'admin@example.com', 'admin@example.com', 'Workspace Admin', true, false, NULL, '{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}', 1795529790539),
	('32743274-3274-4274-8274-327432743274', 1058647405141936, 0, 'user', 'account-admin@example.com', 'account-admin@example.com', 'Account Admin', true, true, NULL, '{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}', 1795529790539),
	('32743274-3274-4274-8274-327432743274', 7690373767604651, 0, 'service_principal', '32743274-3274-4274-8274-327432743275', '32743274-3274-4274-8274-327432743275', 'admin-service-principal', true, true, NULL, '{}', 1795529790539),
	('32743274-3274-4274-8274-327432743274', 6757441188026473, 0, 'service_principal', '4ea82c60-0f34-4fa1-b68d-b1349cdb8b2f', '4ea82c60-0f34-4fa1-b68d-b1349cdb8b2f', 'robot', true, false, NULL, '{}', 1795529790555),
	('32743274-3274-4274-8274-327432743274', 1697825357490163, 0, 'service_principal', '46e48e50-9dc5-4825-a2c1-0cfe08392ec6', '46e48e50-9dc5-4825-a2c1-0cfe08392ec6', 'locked out', true, false, NULL, '{}', 1795529790567),
	('32743274-3274-4274-8274-327432743274', 2866905072485634, 0, 'user', 'ann@example.com', 'ann@example.com', 'Ann', true, false, NULL, '{"emails":[{"value":"ann@example.com","type":"work","primary":true}]}', 1795529790571),
	('32743274-3274-4274-8274-327432743274', 4741070363846863, 3274327432743274, 'group', 'inner', 'inner', 'inner', true, false, NULL, '{}', 1795529790575),
	('32743274-3274-4274-8274-327432743274', 5673244607490243, 3274327432743274, 'group', 'outer', 'outer', 'outer', true, false, NULL, '{}', 1795529790581);
INSERT INTO dapi_mock_fixture.token_acl VALUES
	(3274327432743274, 5673244607490243, 'CAN_USE');
INSERT INTO dapi_mock_fixture.tokens VALUES
	('85f755fcbaba9331e065240e4ee156c0ff00a937edd5bcd8c5a07c3d63d6482c', 3274327432743274, 6757441188026473, 6481858967248034, 'admin@example.com', 'of the robot', 1795529790594, 1798121790594, NULL, NULL, 1795529790594, NULL, NULL, NULL),
	('0eb029059953fab402883b01ec5546b30d952eaee65516944b17a198af1b6a80', 3274327432743274, 1697825357490163, 6481858967248034, 'admin@example.com', 'locked out', 1795529790598, 1798121790598, NULL, NULL, 1795529790598, NULL, NULL, NULL),
	('02fdbbc433300d99016f741efa36f792aea2b2de4b2818217d25ef7d5fc8225f', 3274327432743274, 6481858967248034, 6481858967248034, 'admin@example.com', 'short', 1795529790604, 1795533390604, NULL, NULL, 1795529790604, NULL, NULL, NULL),
	('cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0', 3274327432743274, 6481858967248034, 6481858967248034, 'admin@example.com', 'dapi-mock admin token', 1795529790545, 1858601790545, 1795536990625, 'Python-urllib/3.11', 1795536990625, NULL, NULL, NULL),
	('1c02c58f37198935316616f9f985d52583fac84533cf0f5c786f5b5a34692048', 3274327432743274, 6481858967248034, 6481858967248034, 'admin@example.com', 'with ''quotes'' and ünïcode', 1795536990625, 1799856990625, NULL, NULL, 1795536990625, NULL, NULL, NULL),
	('c45f84933e769c45b2ab6f59a681ac29fa25fc51e64c87d65328026d99f6ab2d', 3274327432743274, 6481858967248034, 6481858967248034, 'admin@example.com', 'scoped', 1795536990629, 1800720990629, NULL, NULL, 1795536990629, '["sql"]', 'AUTOSCOPE_STATE_USER_SELECTED', NULL);
INSERT INTO dapi_mock_fixture.tombstones VALUES
	('cc5cf883db398622f942bda4314843896cd900565665711affbb037a5ad6e61b', 3274327432743274, 6481858967248034, 6481858967248034, 'admin@example.com', 'revoked', 1795529790607, 1858601790607, NULL, NULL, 1795529790610, 'revoked_by_owner', 'admin@example.com');
INSERT INTO dapi_mock_fixture.workspace_assignments VALUES
	(3274327432743274, 8068809353901295, true, '[]', '[]'),
	(3274327432743274, 6347919853185408, true, '[]', '[]'),
	(3274327432743274, 6481858967248034, true, '["workspace-access","databricks-sql-access"]', '[]'),
	(3274327432743274, 1058647405141936, true, '["workspace-access","databricks-sql-access"]', '[]'),
	(3274327432743274, 7690373767604651, true, '["workspace-access","databricks-sql-access"]', '[]'),
	(3274327432743274, 6757441188026473, true, '[]', '[]'),
	(3274327432743274, 1697825357490163, true, '[]', '[]'),
	(3274327432743274, 2866905072485634, true, '[]', '[]'),
	(3274327432743274, 4741070363846863, true, '[]', '[]'),
	(3274327432743274, 5673244607490243, true, '[]', '[]');
INSERT INTO dapi_mock_fixture.workspace_conf VALUES
	(3274327432743274, 'maxTokenLifetimeDays', '60', NULL, 1795529790613);
INSERT INTO dapi_mock_fixture.workspace_settings VALUES
	(3274327432743274, 'restrict_workspace_admins', 'RESTRICT_TOKENS_AND_JOB_RUN_AS', '1f01f186-6cba-4e8a-a338-9d0302557320');
INSERT INTO dapi_mock_fixture.workspaces VALUES
	(3274327432743274, '32743274-3274-4274-8274-327432743274', 'dapi-mock', 'dapi-mock', 1795529790539, true, 8068809353901295, 6347919853185408, 'offset', 7200000, '{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}');
SELECT pg_catalog.setval('dapi_mock_fixture.audit_events_sequence_seq', 24, true);
ALTER TABLE ONLY dapi_mock_fixture._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY dapi_mock_fixture.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (account_id);
ALTER TABLE ONLY dapi_mock_fixture.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (sequence);
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
CREATE INDEX group_members_by_member ON dapi_mock_fixture.group_members USING btree (account_id, member_id);
CREATE INDEX oauth_keys_by_age ON dapi_mock_fixture.oauth_keys USING btree (account_id, created_at, kid);
CREATE INDEX principals_by_client_id ON dapi_mock_fixture.principals USING btree (kind, name_key);
CREATE UNIQUE INDEX principals_by_name ON dapi_mock_fixture.principals USING btree (account_id, workspace_id, kind, name_key);
CREATE INDEX tokens_by_expiry ON dapi_mock_fixture.tokens USING btree (workspace_id, expiry_time);
CREATE INDEX tokens_by_idle ON dapi_mock_fixture.tokens USING btree (workspace_id, idle_from);
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
