-- {"users": ["ann@example.com"], "groups": {"inner": ["6445754978499630", "1585931930651533"], "outer": ["5977313620321644"]}, "robot": {"value": "dapif809fb400c016cf16be4ef33259aa953", "id": "efeb81a9100e7c140db86dc19d7eb54f58eb5bbdb78ac04c389e2b6ae278a80a"}, "suspended": {"value": "dapi26b07bff80d49a9ccc33da0b5f9428a4", "id": "fdedee83fdad38d6ef7e337620208ac9e80864462f870218c5eff81df682f683"}, "expired": {"value": "dapi46911e98812e6bd807e52a88272ca639", "id": "9508d8bb33253fa4e21bd93c8aa2eca92e4017a22ce276e908494bfb139339fd"}, "revoked": {"value": "dapiaa6968d6a08a94e27c5aa1b23b7724a9", "id": "19b8ceac5b37a75fde05c652265fb6929a34ffaca4a22829109526d5be47e002"}, "conf": {"maxTokenLifetimeDays": "60"}, "live": {"value": "dapi4c2b3058d0cfaef34d65e7e1983040d1", "id": "57a8b0fa92b4b191a1700e44f04c20ac0c4e8cd8746f4d7cc6b33737dbcfda96"}, "scoped": {"value": "dapiff6e2da9c1a96895f0a10c028b8b4079", "id": "2a001fb68044df3beb3413f5a706f4a884f82ad8cc4bdafae62dff744ef0db03"}, "client": ["a91fba74-6e28-41b4-a911-7fbaed541bcf", "dosed3327fc13492e071311988e6fb9b0271"], "access_token": "eyJraWQiOiJlODQ3ZmQ0Mzk3MDIxZTAxZTRkYjg2YzUzYzk5ZGI5NTUxOTczZmEyNzBiZjk2YzhhMzdmOTBiZDMxZjY1ZWEwIiwidHlwIjoiYXQrand0IiwiYWxnIjoiUlMyNTYifQ.eyJjbGllbnRfaWQiOiJhOTFmYmE3NC02ZTI4LTQxYjQtYTkxMS03ZmJhZWQ1NDFiY2YiLCJzY29wZSI6ImFsbC1hcGlzIiwiaXNzIjoiaHR0cDovLzEyNy4wLjAuMTo0NTg0MS9vaWRjIiwiYXVkIjoiMzI3NDMyNzQzMjc0MzI3NCIsInN1YiI6ImE5MWZiYTc0LTZlMjgtNDFiNC1hOTExLTdmYmFlZDU0MWJjZiIsImlhdCI6MTc5NTgwNTc0OCwiZXhwIjoxNzk1ODA5MzQ4LCJqdGkiOiJmMDI2N2ExYi00ZWFiLTRkZmEtYWI3MC1mNWFhNDA1ZTAwZjgiLCJjcmVhdGlvbiI6NTAwOTk1NjUwMzYzMDExMX0.c4BjxSpqLgQqcy0XPMyjtFumCIe1swt4gHeJtsJwAIAqtevukeMG9SxKM72bgVwdPAdgBJKH8UFt6AOwCu0c1O4MZfXxc7eIzfAOWne8kMVT6AW5TLxobQEOagESkDIzRUQvrmPkGt0lQXEyM_xWUywaga25gfoajAY9UjzZ3rIWeydLSodMLM4nTNebroN6PKclCdb87WCm54HAZ2pQiJPwQjOj6cSVv8okAnOnKt2fYEvTmeThbPbz_RuyCFFU8Sh26rVjxBPzBhUCM-C-_l67EPOdZxuVMgBhU17FQADht6592cJo8AF8ifJghNooKBRYLfAUfQK7oij6Vfj7cQ", "setting": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "checkpoint": {"kept": "dapi48dac945c3c541fe13b44cd24a6604f0", "lost": "dapi9894bf12bbe50f66c38aef51545b276d"}, "decoy": "dapi1c49b54cde406586ab9d0f9bab3c9019", "fault": "/api/2.0/token/list", "refresh_token": "dort6a9dbe64558b45769a082547539eb3648dc0f18a1961c9b7f1abf718c95b56db9ed5cbde93d8592ea165fdc81b8cdaff", "audit_events": 28, "made_at": 1795798548384}
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
CREATE SEQUENCE dapi_mock_fixture.exchange_numbers
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE UNLOGGED TABLE dapi_mock_fixture.exchanges (
    workspace_id bigint NOT NULL,
    number bigint DEFAULT nextval('dapi_mock_fixture.exchange_numbers'::regclass) NOT NULL,
    incarnation bigint NOT NULL,
    request_id text NOT NULL COLLATE pg_catalog."C",
    process bigint NOT NULL,
    place bigint NOT NULL,
    is_refused boolean NOT NULL,
    bytes bigint NOT NULL,
    content text NOT NULL COLLATE pg_catalog."C"
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
    expires_at bigint NOT NULL,
    scopes text COLLATE pg_catalog."C"
);
CREATE TABLE dapi_mock_fixture.page_sessions (
    session_hash text NOT NULL,
    workspace_id bigint NOT NULL,
    account_id text NOT NULL,
    whole_account boolean NOT NULL,
    principal_id bigint NOT NULL,
    began_at bigint NOT NULL,
    principal_creation bigint DEFAULT 0 NOT NULL
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
    created_at bigint NOT NULL,
    creation bigint DEFAULT 0 NOT NULL
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
CREATE TABLE dapi_mock_fixture.system_time (
    id bigint NOT NULL,
    shown_at bigint NOT NULL,
    CONSTRAINT system_time_id_check CHECK ((id = 1))
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
    inferred_scopes text COLLATE pg_catalog."C",
    autoscope_until bigint,
    backfill_scopes text COLLATE pg_catalog."C"
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
	(1, 'init', '2026-11-27 16:55:47.937045+00', true, '\xaaf01505b721542a2657cae640ca3934f1e02e1bbc1f7f53b52cc729b77628859bd11dfe0b65c8474c0f63c512a4074e', 17069487),
	(2, 'oauth', '2026-11-27 16:55:47.937045+00', true, '\x0e007120e505aa908523f201695e7889b53757dd392e3a3f0b20b19e0b1691d61f7cae4d5586439412645f606477b2a1', 4146049),
	(3, 'settings', '2026-11-27 16:55:47.937045+00', true, '\x88947f2249714c9a2b377acfdc501fad5940ef8cc6926256ac08ad894cc2f4098fba3103352f64ceb05798a086d0f96e', 2751451),
	(4, 'sign in', '2026-11-27 16:55:47.937045+00', true, '\x786d061d9e6465061343525ecdc8cc1f500dfe04b3fb4313814fd10ecb8fa1987cef00ab60672974bc424df3de2a326e', 2683360),
	(5, 'account', '2026-11-27 16:55:47.937045+00', true, '\xd712bf4ae83c63a78fcec45d53166cf11b9e8a4031aa07aebe39ad07c695fdcf16ec9688a7f625877dacc425466c7eb6', 1062555),
	(6, 'token report', '2026-11-27 16:55:47.937045+00', true, '\xfce233d14507693de975fa0e76a1a31c8f800a0607f6de0ade56122a4e742e06b1458a995bfd644362f1792acee5d6ae', 2106094),
	(7, 'worlds', '2026-11-27 16:55:47.937045+00', true, '\x2d1c18a73a51730112337050fc7762f766d72c599e14dabfe2253a8a3af9df06d8ace57ed0117cb03bbc4c8979f2729c', 2544174),
	(8, 'faults', '2026-11-27 16:55:47.937045+00', true, '\xa1ae937a7de5cc6e06119bd70671c34dfd01191f7b1fa092c6ac67d287830fe0b1fa67cee53c4ad7cdf8c3e81a6ecb5d', 1970422),
	(9, 'decoys', '2026-11-27 16:55:47.937045+00', true, '\x52367a09d43563bc5515614d21a0f26340554bbd044018e0ff84b8f35072a5a87cc797a3125082daf86d13e6c34a5fc1', 1686161),
	(10, 'incarnation', '2026-11-27 16:55:47.937045+00', true, '\xf4441ded33922c6f39e6fe3fa855d37e7493c9fdccb17c08e248cea4d5f7a58315d0135cc9fd01ca6c01fedd9598ef24', 799686),
	(11, 'page sessions', '2026-11-27 16:55:47.937045+00', true, '\x9e1579fdcb690a1a95d34624d203afefc46dd4d5517f6242076e31fd2a6c514ad9aced406b490305ba3cff757cfcfd54', 2314022),
	(12, 'exchanges', '2026-11-27 16:55:47.937045+00', true, '\x6cbc618db189e2f0f3b0f641f00db82adbb9cb7900d9bb16b212706bf4913e8f761ecc81cf397ba461ae129d56383813', 2653140),
	(13, 'statement costs', '2026-11-27 16:55:47.937045+00', true, '\xe62d9f2558926065b16b74d69593e3559e3402bb6e8fd750c144ec4bd33acd8ac739d1074a09e4e176871a1adb5e6d8f', 2774766),
	(14, 'system time', '2026-11-27 16:55:47.937045+00', true, '\x70c5984d3bc678a4e4c0200b71757438099e7905266ad796467d8e9e7009035fcd9b56971b119d5335202f45e4977743', 1921830),
	(15, 'principals', '2026-11-27 16:55:47.937045+00', true, '\x1d462fe07d15f132b11d6b90ca4540873f37e449bbb6ef0d3d324a5e607d8d2c40801e35870fd98ab504301367da7071', 2849296),
	(16, 'scopes', '2026-11-27 16:55:47.937045+00', true, '\x62c6b97ed4312421f75ee5ff55f6eb28c3a680b66df324c5a51891c56d6556ae069fc8410fff55a5c0468f42e8881beb', 1438373);
INSERT INTO dapi_mock_fixture.accounts VALUES
	('32743274-3274-4274-8274-327432743274', 1795798548013),
	('f92ee332-a077-4f11-9664-e88a3bb30dda', 1795798548317);
INSERT INTO dapi_mock_fixture.audit_events OVERRIDING SYSTEM VALUE VALUES
	(1, 3274327432743274, '4cd17eb3-6015-4ef8-b07e-607f9b4bea59', 1795798548078, '32743274-3274-4274-8274-327432743274', 'accounts', 'tokenLogin', 'admin@example.com', 'a8665f01-ae8f-4d6b-a18a-093e735693d1', '127.0.0.1', 'Python-urllib/3.11', '{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}', 200, NULL, false),
	(2, 3274327432743274, '875ca673-9008-415b-9896-e0df8228109f', 1795798548078, '32743274-3274-4274-8274-327432743274', 'accounts', 'add', 'admin@example.com', 'a8665f01-ae8f-4d6b-a18a-093e735693d1', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetUserId":"6445754978499630","targetUserName":"a91fba74-6e28-41b4-a911-7fbaed541bcf"}', 200, NULL, false),
	(3, 3274327432743274, '663c5fec-4f79-4a01-9345-c4025b3920cd', 1795798548104, '32743274-3274-4274-8274-327432743274', 'accounts', 'add', 'admin@example.com', '4c828254-67fe-468b-8e6b-2750c05964d9', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetUserId":"3000390594859292","targetUserName":"ff1f02a6-dec3-4b10-b67c-a2113cce91fb"}', 200, NULL, false),
	(4, 3274327432743274, '6b387b2f-0914-4e93-9f7a-dc5e9d5032fd', 1795798548113, '32743274-3274-4274-8274-327432743274', 'accounts', 'add', 'admin@example.com', '3ad78eb5-6e7a-4aad-b57c-2eab68d34c00', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetUserId":"1585931930651533","targetUserName":"ann@example.com"}', 200, NULL, false),
	(5, 3274327432743274, '4580c56e-f1be-425c-9b6f-a49ffadc047f', 1795798548121, '32743274-3274-4274-8274-327432743274', 'accounts', 'createGroup', 'admin@example.com', '7c1a87f9-21d1-4848-88a7-488105dc21b5', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"5977313620321644","targetGroupName":"inner"}', 200, NULL, false),
	(6, 3274327432743274, '71f51e0b-28a2-442d-a822-cbc73729643b', 1795798548121, '32743274-3274-4274-8274-327432743274', 'accounts', 'addPrincipalToGroup', 'admin@example.com', '7c1a87f9-21d1-4848-88a7-488105dc21b5', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"5977313620321644","targetGroupName":"inner","targetUserId":"1585931930651533","targetUserName":"ann@example.com"}', 200, NULL, false),
	(7, 3274327432743274, '6bfcce70-c363-4539-9ce0-ec7d137e1071', 1795798548121, '32743274-3274-4274-8274-327432743274', 'accounts', 'addPrincipalToGroup', 'admin@example.com', '7c1a87f9-21d1-4848-88a7-488105dc21b5', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"5977313620321644","targetGroupName":"inner","targetUserId":"6445754978499630","targetUserName":"a91fba74-6e28-41b4-a911-7fbaed541bcf"}', 200, NULL, false),
	(8, 3274327432743274, '5c5c5682-dade-4349-a23e-a6dd9ba225a8', 1795798548133, '32743274-3274-4274-8274-327432743274', 'accounts', 'createGroup', 'admin@example.com', '276e8837-1848-4cad-b2c6-06f3ba574658', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"1916826849893213","targetGroupName":"outer"}', 200, NULL, false),
	(9, 3274327432743274, 'b0941298-96cc-4031-9cfe-2d31cff40d9c', 1795798548133, '32743274-3274-4274-8274-327432743274', 'accounts', 'addPrincipalToGroup', 'admin@example.com', '276e8837-1848-4cad-b2c6-06f3ba574658', '127.0.0.1', 'Python-urllib/3.11', '{"endpoint":"scim","targetGroupId":"1916826849893213","targetGroupName":"outer","targetUserId":"5977313620321644","targetUserName":"inner"}', 200, NULL, false),
	(10, 3274327432743274, '3ee78c20-9cad-4318-b1f0-ae9071ce289b', 1795798548140, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '52131428-a3b5-4f81-a68b-39f74e769665', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"1916826849893213"}', 200, NULL, false),
	(11, 3274327432743274, '1f8b5749-c6b0-4e8a-b326-77f6aa23b816', 1795798548140, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '52131428-a3b5-4f81-a68b-39f74e769665', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"3000390594859292"}', 200, NULL, false),
	(12, 3274327432743274, 'e3a7c149-0fbd-4c11-939d-3b3d88f6534a', 1795798548152, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', 'cf9fc84b-c106-42b8-b8fb-80fd8fd7410f', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"8548981517389096","tokenExpirationTime":"1798390548152","tokenHash":"efeb81a9100e7c140db86dc19d7eb54f58eb5bbdb78ac04c389e2b6ae278a80a","tokenId":"efeb81a9100e7c140db86dc19d7eb54f58eb5bbdb78ac04c389e2b6ae278a80a","userId":"6445754978499630"}', 200, NULL, false),
	(13, 3274327432743274, '4a8d0895-0a77-4ace-9799-71169fc57cf3', 1795798548160, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', 'dc0b8e44-0dca-48fa-b2b0-c6d504b9c4cb', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"8548981517389096","tokenExpirationTime":"1798390548160","tokenHash":"fdedee83fdad38d6ef7e337620208ac9e80864462f870218c5eff81df682f683","tokenId":"fdedee83fdad38d6ef7e337620208ac9e80864462f870218c5eff81df682f683","userId":"3000390594859292"}', 200, NULL, false),
	(14, 3274327432743274, 'af40f6e8-7608-4bb6-8c36-89df2ac95cf6', 1795798548167, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '75ab9734-eec3-42b1-8fda-d276d294ef3d', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"3000390594859292"}', 200, NULL, false),
	(15, 3274327432743274, '3af7e91b-66a0-4677-b065-9b3a49f81b38', 1795798548167, '32743274-3274-4274-8274-327432743274', 'accounts', 'changeDbTokenAcl', 'admin@example.com', '75ab9734-eec3-42b1-8fda-d276d294ef3d', '127.0.0.1', 'Python-urllib/3.11', '{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"6139104264006507"}', 200, NULL, false),
	(16, 3274327432743274, '0fb3851b-5922-4d95-a993-5224f7bb27b6', 1795798548175, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', '1cc3002c-efb2-4c87-8e88-76eda8df9019', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"8548981517389096","tokenExpirationTime":"1795802148175","tokenHash":"9508d8bb33253fa4e21bd93c8aa2eca92e4017a22ce276e908494bfb139339fd","tokenId":"9508d8bb33253fa4e21bd93c8aa2eca92e4017a22ce276e908494bfb139339fd","userId":"8548981517389096"}', 200, NULL, false),
	(17, 3274327432743274, '0c6234c8-665d-4ecf-9605-363a81631b97', 1795798548182, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', 'a17481fc-e707-4c9e-94a5-5331c8e26aac', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"8548981517389096","tokenExpirationTime":"1858870548182","tokenHash":"19b8ceac5b37a75fde05c652265fb6929a34ffaca4a22829109526d5be47e002","tokenId":"19b8ceac5b37a75fde05c652265fb6929a34ffaca4a22829109526d5be47e002","userId":"8548981517389096"}', 200, NULL, false),
	(18, 3274327432743274, '8a3ed55a-8530-4807-a7db-a740875a0755', 1795798548187, '32743274-3274-4274-8274-327432743274', 'accounts', 'revokeDbToken', 'admin@example.com', 'c38f8581-b540-48dc-b24a-4a25e7113471', '127.0.0.1', 'Python-urllib/3.11', '{"tokenHash":"19b8ceac5b37a75fde05c652265fb6929a34ffaca4a22829109526d5be47e002","tokenId":"19b8ceac5b37a75fde05c652265fb6929a34ffaca4a22829109526d5be47e002","userId":"8548981517389096"}', 200, NULL, false),
	(19, 3274327432743274, 'd3dc997a-57be-47d4-b900-f8e2d344804d', 1795798548193, '32743274-3274-4274-8274-327432743274', 'workspace', 'workspaceConfEdit', 'admin@example.com', '41410e0f-598f-4bad-a0da-edfc06776f29', '127.0.0.1', 'Python-urllib/3.11', '{"workspaceConfKeys":"maxTokenLifetimeDays","workspaceConfValues":"60"}', 200, NULL, false),
	(20, 3274327432743274, '89744226-3523-449c-b847-e4752305c268', 1795805748225, '32743274-3274-4274-8274-327432743274', 'accounts', 'tokenLogin', 'admin@example.com', '6058934a-fcc0-4637-a4a6-dcdc4a1b4762', '127.0.0.1', 'Python-urllib/3.11', '{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}', 200, NULL, false),
	(22, 3274327432743274, '00657f88-59b8-4983-8729-1966c6e586c8', 1795805748234, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', '466064d8-93f4-4031-bc7f-7e9167e57e58', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"8548981517389096","tokenExpirationTime":"1800989748234","tokenHash":"2a001fb68044df3beb3413f5a706f4a884f82ad8cc4bdafae62dff744ef0db03","tokenId":"2a001fb68044df3beb3413f5a706f4a884f82ad8cc4bdafae62dff744ef0db03","userId":"8548981517389096"}', 200, NULL, false),
	(25, 3274327432743274, '0b8989f6-74cd-4919-b53d-7f163d5754c5', 1795805748299, '32743274-3274-4274-8274-327432743274', 'accounts', 'mintOAuthToken', '32743274-3274-4274-8274-327432743275', '1edd2424-a84c-4375-9fb7-080c1405a0dc', '127.0.0.1', 'Python-urllib/3.11', '{"client_id":"32743274-3274-4274-8274-327432743275","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}', 200, NULL, false),
	(30, 3274327432743274, '33187c29-cc04-4a7f-b948-abcef5687551', 1795805748363, '32743274-3274-4274-8274-327432743274', 'accounts', 'oidcBrowserLogin', 'admin@example.com', 'e02a282e-8948-49b8-80af-032df3c5d11d', '127.0.0.1', 'Python-urllib/3.11', '{"user":"admin@example.com"}', 200, NULL, false),
	(21, 3274327432743274, '3200ee89-0655-4a0a-a581-b1ea891276f6', 1795805748225, '32743274-3274-4274-8274-327432743274', 'accounts', 'generateDbToken', 'admin@example.com', '6058934a-fcc0-4637-a4a6-dcdc4a1b4762', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"8548981517389096","tokenExpirationTime":"1800125748225","tokenHash":"57a8b0fa92b4b191a1700e44f04c20ac0c4e8cd8746f4d7cc6b33737dbcfda96","tokenId":"57a8b0fa92b4b191a1700e44f04c20ac0c4e8cd8746f4d7cc6b33737dbcfda96","userId":"8548981517389096"}', 200, NULL, false),
	(23, 3274327432743274, '3e0cad28-b3d4-44ff-9f85-c163beb3a0e9', 1795805748240, '32743274-3274-4274-8274-327432743274', 'servicePrincipalCredentials', 'create', 'admin@example.com', '3ddb6840-f471-48d8-89b5-e07cf0f3a306', '127.0.0.1', 'Python-urllib/3.11', '{"secret_id":"95e28788-9e4b-4d34-9a3c-2e5ddf4c68fd","service_principal":"6445754978499630"}', 200, NULL, false),
	(24, 3274327432743274, 'b0ff8434-2d53-4993-838a-30135e416c5e', 1795805748252, '32743274-3274-4274-8274-327432743274', 'accounts', 'mintOAuthToken', 'a91fba74-6e28-41b4-a911-7fbaed541bcf', '6fce8c89-465b-4f68-aebd-d24635002d04', '127.0.0.1', 'Python-urllib/3.11', '{"client_id":"a91fba74-6e28-41b4-a911-7fbaed541bcf","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}', 200, NULL, false),
	(26, 3274327432743274, '2af6bb8d-f532-4cbe-9777-781db5f5cd61', 1795805748311, '32743274-3274-4274-8274-327432743274', 'accounts', 'setSetting', '32743274-3274-4274-8274-327432743275', 'df145319-61c5-4e64-9696-a1eaf03d806f', '127.0.0.1', 'Python-urllib/3.11', '{"settingTypeName":"restrict_workspace_admins","settingValueForAudit":"RESTRICT_TOKENS_AND_JOB_RUN_AS"}', 200, NULL, false),
	(27, 42, '2a4e9e6b-fc13-4fd1-a0b0-86056305505a', 1795798548330, 'f92ee332-a077-4f11-9664-e88a3bb30dda', 'accounts', 'tokenLogin', 'admin@example.com', 'a8fef489-f40d-47f8-8dc0-2d43269b54ea', '127.0.0.1', 'Python-urllib/3.11', '{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","user":"admin@example.com"}', 200, NULL, false),
	(28, 42, 'f1317e5d-4959-4511-9ad3-d3dff4b52d39', 1795798548330, 'f92ee332-a077-4f11-9664-e88a3bb30dda', 'accounts', 'generateDbToken', 'admin@example.com', 'a8fef489-f40d-47f8-8dc0-2d43269b54ea', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"1115689335640834","tokenExpirationTime":"1858870548330","tokenHash":"4ae6885ae8b2ea5529e46cebce7954c87662543fdb26b4b0b89102b85231541d","tokenId":"4ae6885ae8b2ea5529e46cebce7954c87662543fdb26b4b0b89102b85231541d","userId":"1115689335640834"}', 200, NULL, false),
	(29, 42, '5665c53a-79fb-4ec6-ae54-22355ee6d4fd', 1795798548346, 'f92ee332-a077-4f11-9664-e88a3bb30dda', 'accounts', 'generateDbToken', 'admin@example.com', 'a83295cd-8cbc-46d6-af18-7a80ac42e7ff', '127.0.0.1', 'Python-urllib/3.11', '{"tokenCreatedBy":"1115689335640834","tokenExpirationTime":"1858870548346","tokenHash":"e9c38c745c335a830496f37ce8e7bf85544daa164a1704cca5a78f6f1b8f100a","tokenId":"e9c38c745c335a830496f37ce8e7bf85544daa164a1704cca5a78f6f1b8f100a","userId":"1115689335640834"}', 200, NULL, false),
	(31, 3274327432743274, '5727f8c0-463f-4226-a56c-5a1dbf8d70e5', 1795805748372, '32743274-3274-4274-8274-327432743274', 'accounts', 'mintOAuthToken', 'admin@example.com', 'b58366f4-fffe-4119-a404-3d7e870efb22', '127.0.0.1', 'Python-urllib/3.11', '{"client_id":"databricks-cli","expires_in":"3600","grant_type":"authorization_code","scope":"offline_access all-apis"}', 200, NULL, false);
INSERT INTO dapi_mock_fixture.checkpoint_rows VALUES
	(3274327432743274, 'empty', 'workspaces', false, '{"name": "dapi-mock", "behaviour": "{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30,\"autoscope_days\":30}", "delete_at": null, "account_id": "32743274-3274-4274-8274-327432743274", "clock_mode": "real", "created_at": 1795798548013, "is_default": true, "clock_value": 0, "entropy_seed": null, "workspace_id": 3274327432743274, "entropy_drawn": 0, "users_group_id": 6139104264006507, "admins_group_id": 5319371815580773, "deployment_name": "dapi-mock"}'),
	(3274327432743274, 'empty', 'principals', false, '{"kind": "group", "name": "admins", "active": true, "creation": 7420681239806964, "name_key": "admins", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{}", "created_at": 1795798548014, "external_id": null, "display_name": "admins", "principal_id": 5319371815580773, "workspace_id": 3274327432743274, "account_admin": false}'),
	(3274327432743274, 'empty', 'principals', false, '{"kind": "group", "name": "users", "active": true, "creation": 4138841586676498, "name_key": "users", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{}", "created_at": 1795798548014, "external_id": null, "display_name": "users", "principal_id": 6139104264006507, "workspace_id": 3274327432743274, "account_admin": false}'),
	(3274327432743274, 'empty', 'principals', true, '{"kind": "service_principal", "name": "32743274-3274-4274-8274-327432743275", "active": true, "creation": 1395114153493164, "name_key": "32743274-3274-4274-8274-327432743275", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{}", "created_at": 1795798548014, "external_id": null, "display_name": "admin-service-principal", "principal_id": 6328297155257702, "workspace_id": 0, "account_admin": true}'),
	(3274327432743274, 'empty', 'principals', true, '{"kind": "user", "name": "account-admin@example.com", "active": true, "creation": 8563943053939083, "name_key": "account-admin@example.com", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795798548014, "external_id": null, "display_name": "Account Admin", "principal_id": 7673369853156113, "workspace_id": 0, "account_admin": true}'),
	(3274327432743274, 'empty', 'principals', true, '{"kind": "user", "name": "admin@example.com", "active": true, "creation": 5854093877603223, "name_key": "admin@example.com", "account_id": "32743274-3274-4274-8274-327432743274", "attributes": "{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795798548014, "external_id": null, "display_name": "Workspace Admin", "principal_id": 8548981517389096, "workspace_id": 0, "account_admin": false}'),
	(3274327432743274, 'empty', 'group_members', false, '{"group_id": 5319371815580773, "member_id": 6328297155257702, "account_id": "32743274-3274-4274-8274-327432743274"}'),
	(3274327432743274, 'empty', 'group_members', false, '{"group_id": 5319371815580773, "member_id": 8548981517389096, "account_id": "32743274-3274-4274-8274-327432743274"}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 5319371815580773, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 6139104264006507, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 8548981517389096, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 7673369853156113, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 6328297155257702, "workspace_id": 3274327432743274}'),
	(3274327432743274, 'empty', 'token_acl', false, '{"principal_id": 6139104264006507, "workspace_id": 3274327432743274, "permission_level": "CAN_USE"}'),
	(3274327432743274, 'empty', 'tokens', false, '{"scopes": null, "comment": "dapi-mock admin token", "owner_id": 8548981517389096, "token_id": "cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0", "idle_from": 1795798548025, "expiry_time": 1858870548025, "last_client": null, "last_used_at": null, "workspace_id": 3274327432743274, "created_by_id": 8548981517389096, "creation_time": 1795798548025, "autoscope_state": null, "autoscope_until": null, "backfill_scopes": null, "inferred_scopes": null, "created_by_username": "admin@example.com"}'),
	(3274327432743274, 'empty', 'oauth_secrets', true, '{"scopes": null, "secret_id": "11706b6c-4441-4585-8f4d-0e162f23f1cd", "account_id": "32743274-3274-4274-8274-327432743274", "created_at": 1795798548030, "expires_at": 1858870548030, "secret_hash": "a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32", "principal_id": 6328297155257702}'),
	(42, 'empty', 'workspaces', false, '{"name": "workspace-42", "behaviour": "{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30,\"autoscope_days\":30}", "delete_at": null, "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "clock_mode": "real", "created_at": 1795798548317, "is_default": false, "clock_value": 0, "entropy_seed": null, "workspace_id": 42, "entropy_drawn": 0, "users_group_id": 8208551212645662, "admins_group_id": 6517587803215455, "deployment_name": "workspace-42"}'),
	(42, 'empty', 'principals', false, '{"kind": "group", "name": "admins", "active": true, "creation": 5638358053585721, "name_key": "admins", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "attributes": "{}", "created_at": 1795798548317, "external_id": null, "display_name": "admins", "principal_id": 6517587803215455, "workspace_id": 42, "account_admin": false}'),
	(42, 'empty', 'principals', false, '{"kind": "group", "name": "users", "active": true, "creation": 7312231520603476, "name_key": "users", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "attributes": "{}", "created_at": 1795798548317, "external_id": null, "display_name": "users", "principal_id": 8208551212645662, "workspace_id": 42, "account_admin": false}'),
	(42, 'empty', 'principals', true, '{"kind": "service_principal", "name": "32743274-3274-4274-8274-327432743275", "active": true, "creation": 1302345607409175, "name_key": "32743274-3274-4274-8274-327432743275", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "attributes": "{}", "created_at": 1795798548317, "external_id": null, "display_name": "admin-service-principal", "principal_id": 5035959224874444, "workspace_id": 0, "account_admin": true}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 5035959224874444, "workspace_id": 42}'),
	(42, 'empty', 'principals', true, '{"kind": "user", "name": "admin@example.com", "active": true, "creation": 4187249415981438, "name_key": "admin@example.com", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "attributes": "{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795798548317, "external_id": null, "display_name": "Workspace Admin", "principal_id": 1115689335640834, "workspace_id": 0, "account_admin": false}'),
	(42, 'empty', 'principals', true, '{"kind": "user", "name": "account-admin@example.com", "active": true, "creation": 3965663729994653, "name_key": "account-admin@example.com", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "attributes": "{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795798548317, "external_id": null, "display_name": "Account Admin", "principal_id": 2379753374396602, "workspace_id": 0, "account_admin": true}'),
	(42, 'empty', 'group_members', false, '{"group_id": 6517587803215455, "member_id": 1115689335640834, "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda"}'),
	(42, 'empty', 'group_members', false, '{"group_id": 6517587803215455, "member_id": 5035959224874444, "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda"}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 6517587803215455, "workspace_id": 42}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 8208551212645662, "workspace_id": 42}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 1115689335640834, "workspace_id": 42}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 2379753374396602, "workspace_id": 42}'),
	(42, 'empty', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 5035959224874444, "workspace_id": 42}'),
	(42, 'empty', 'token_acl', false, '{"principal_id": 8208551212645662, "workspace_id": 42, "permission_level": "CAN_USE"}'),
	(42, 'empty', 'tokens', false, '{"scopes": null, "comment": "dapi-mock admin token", "owner_id": 1115689335640834, "token_id": "446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d", "idle_from": 1795798548321, "expiry_time": 1858870548321, "last_client": null, "last_used_at": null, "workspace_id": 42, "created_by_id": 1115689335640834, "creation_time": 1795798548321, "autoscope_state": null, "autoscope_until": null, "backfill_scopes": null, "inferred_scopes": null, "created_by_username": "admin@example.com"}'),
	(42, 'empty', 'oauth_secrets', true, '{"scopes": null, "secret_id": "8798567b-3679-448a-9ee1-5ef1b457c7e3", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "created_at": 1795798548323, "expires_at": 1858870548323, "secret_hash": "4775cb0f13473036f205fa69baf19e02942b54907d7a5c886011f0b444f5256b", "principal_id": 5035959224874444}'),
	(42, 'before', 'workspaces', false, '{"name": "workspace-42", "behaviour": "{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30,\"autoscope_days\":30}", "delete_at": null, "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "clock_mode": "real", "created_at": 1795798548317, "is_default": false, "clock_value": 0, "entropy_seed": null, "workspace_id": 42, "entropy_drawn": 0, "users_group_id": 8208551212645662, "admins_group_id": 6517587803215455, "deployment_name": "workspace-42"}'),
	(42, 'before', 'principals', false, '{"kind": "group", "name": "admins", "active": true, "creation": 5638358053585721, "name_key": "admins", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "attributes": "{}", "created_at": 1795798548317, "external_id": null, "display_name": "admins", "principal_id": 6517587803215455, "workspace_id": 42, "account_admin": false}'),
	(42, 'before', 'principals', false, '{"kind": "group", "name": "users", "active": true, "creation": 7312231520603476, "name_key": "users", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "attributes": "{}", "created_at": 1795798548317, "external_id": null, "display_name": "users", "principal_id": 8208551212645662, "workspace_id": 42, "account_admin": false}'),
	(42, 'before', 'principals', true, '{"kind": "service_principal", "name": "32743274-3274-4274-8274-327432743275", "active": true, "creation": 1302345607409175, "name_key": "32743274-3274-4274-8274-327432743275", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "attributes": "{}", "created_at": 1795798548317, "external_id": null, "display_name": "admin-service-principal", "principal_id": 5035959224874444, "workspace_id": 0, "account_admin": true}'),
	(42, 'before', 'principals', true, '{"kind": "user", "name": "admin@example.com", "active": true, "creation": 4187249415981438, "name_key": "admin@example.com", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "attributes": "{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795798548317, "external_id": null, "display_name": "Workspace Admin", "principal_id": 1115689335640834, "workspace_id": 0, "account_admin": false}'),
	(42, 'before', 'principals', true, '{"kind": "user", "name": "account-admin@example.com", "active": true, "creation": 3965663729994653, "name_key": "account-admin@example.com", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "attributes": "{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}", "created_at": 1795798548317, "external_id": null, "display_name": "Account Admin", "principal_id": 2379753374396602, "workspace_id": 0, "account_admin": true}'),
	(42, 'before', 'group_members', false, '{"group_id": 6517587803215455, "member_id": 1115689335640834, "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda"}'),
	(42, 'before', 'group_members', false, '{"group_id": 6517587803215455, "member_id": 5035959224874444, "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda"}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 6517587803215455, "workspace_id": 42}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[]", "principal_id": 8208551212645662, "workspace_id": 42}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 1115689335640834, "workspace_id": 42}'),
	(42, 'before', 'workspace_assignments', false, '{"roles": "[]", "active": true, "direct": true, "entitlements": "[\"workspace-access\",\"databricks-sql-access\"]", "principal_id": 2379753374396602, "workspace_id": 42}'),
	(42, 'before', 'token_acl', false, '{"principal_id": 8208551212645662, "workspace_id": 42, "permission_level": "CAN_USE"}'),
	(42, 'before', 'tokens', false, '{"scopes": null, "comment": "dapi-mock admin token", "owner_id": 1115689335640834, "token_id": "446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d", "idle_from": 1795798548330, "expiry_time": 1858870548321, "last_client": "Python-urllib/3.11", "last_used_at": 1795798548330, "workspace_id": 42, "created_by_id": 1115689335640834, "creation_time": 1795798548321, "autoscope_state": null, "autoscope_until": null, "backfill_scopes": null, "inferred_scopes": null, "created_by_username": "admin@example.com"}'),
	(42, 'before', 'tokens', false, '{"scopes": null, "comment": "kept", "owner_id": 1115689335640834, "token_id": "4ae6885ae8b2ea5529e46cebce7954c87662543fdb26b4b0b89102b85231541d", "idle_from": 1795798548330, "expiry_time": 1858870548330, "last_client": null, "last_used_at": null, "workspace_id": 42, "created_by_id": 1115689335640834, "creation_time": 1795798548330, "autoscope_state": null, "autoscope_until": null, "backfill_scopes": null, "inferred_scopes": null, "created_by_username": "admin@example.com"}'),
	(42, 'before', 'audit_events', false, '{"actor": "admin@example.com", "event_id": "2a4e9e6b-fc13-4fd1-a0b0-86056305505a", "sequence": 27, "source_ip": "127.0.0.1", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "event_time": 1795798548330, "request_id": "a8fef489-f40d-47f8-8dc0-2d43269b54ea", "user_agent": "Python-urllib/3.11", "action_name": "tokenLogin", "status_code": 200, "service_name": "accounts", "workspace_id": 42, "account_level": false, "error_message": null, "request_params": "{\"authenticationMethod\":\"API_EXT_PAT_TOKEN\",\"tokenId\":\"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d\",\"user\":\"admin@example.com\"}"}'),
	(42, 'before', 'audit_events', false, '{"actor": "admin@example.com", "event_id": "f1317e5d-4959-4511-9ad3-d3dff4b52d39", "sequence": 28, "source_ip": "127.0.0.1", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "event_time": 1795798548330, "request_id": "a8fef489-f40d-47f8-8dc0-2d43269b54ea", "user_agent": "Python-urllib/3.11", "action_name": "generateDbToken", "status_code": 200, "service_name": "accounts", "workspace_id": 42, "account_level": false, "error_message": null, "request_params": "{\"tokenCreatedBy\":\"1115689335640834\",\"tokenExpirationTime\":\"1858870548330\",\"tokenHash\":\"4ae6885ae8b2ea5529e46cebce7954c87662543fdb26b4b0b89102b85231541d\",\"tokenId\":\"4ae6885ae8b2ea5529e46cebce7954c87662543fdb26b4b0b89102b85231541d\",\"userId\":\"1115689335640834\"}"}'),
	(42, 'before', 'oauth_secrets', true, '{"scopes": null, "secret_id": "8798567b-3679-448a-9ee1-5ef1b457c7e3", "account_id": "f92ee332-a077-4f11-9664-e88a3bb30dda", "created_at": 1795798548323, "expires_at": 1858870548323, "secret_hash": "4775cb0f13473036f205fa69baf19e02942b54907d7a5c886011f0b444f5256b", "principal_id": 5035959224874444}');
INSERT INTO dapi_mock_fixture.checkpoints VALUES
	(3274327432743274, 'empty', 1795798548033, true),
	(42, 'empty', 1795798548324, true),
	(42, 'before', 1795798548340, true);
INSERT INTO dapi_mock_fixture.decoys VALUES
	(3274327432743274, 'd6b2a4e984b9e22dfcaed42cf850a27424d11586d71265301166aa42ec500875', 'bait', 1795805748355, 0, NULL, NULL, NULL);
INSERT INTO dapi_mock_fixture.exchanges VALUES
	(3274327432743274, 1, 1456242829869628, 'a8665f01-ae8f-4d6b-a18a-093e735693d1', 49450, 1, false, 1684, '{"request_id":"a8665f01-ae8f-4d6b-a18a-093e735693d1","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548096,"workspace_at":1795798548078,"took_us":21954,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/preview/scim/v2/ServicePrincipals","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"displayName\": \"robot\"}","bytes":24,"cut":false},"operation":"servicePrincipals.create","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":null,"status":201,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"active\":true,\"applicationId\":\"a91fba74-6e28-41b4-a911-7fbaed541bcf\",\"displayName\":\"robot\",\"entitlements\":[],\"groups\":[{\"$ref\":\"Groups/6139104264006507\",\"display\":\"users\",\"type\":\"direct\",\"value\":\"6139104264006507\"}],\"id\":\"6445754978499630\",\"roles\":[],\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal\"]}","bytes":321,"cut":false}}'),
	(3274327432743274, 2, 1456242829869628, '4c828254-67fe-468b-8e6b-2750c05964d9', 49450, 2, false, 1694, '{"request_id":"4c828254-67fe-468b-8e6b-2750c05964d9","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548109,"workspace_at":1795798548104,"took_us":10368,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/preview/scim/v2/ServicePrincipals","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"displayName\": \"locked out\"}","bytes":29,"cut":false},"operation":"servicePrincipals.create","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":null,"status":201,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"active\":true,\"applicationId\":\"ff1f02a6-dec3-4b10-b67c-a2113cce91fb\",\"displayName\":\"locked out\",\"entitlements\":[],\"groups\":[{\"$ref\":\"Groups/6139104264006507\",\"display\":\"users\",\"type\":\"direct\",\"value\":\"6139104264006507\"}],\"id\":\"3000390594859292\",\"roles\":[],\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal\"]}","bytes":326,"cut":false}}'),
	(3274327432743274, 3, 1456242829869628, '3ad78eb5-6e7a-4aad-b57c-2eab68d34c00', 49450, 3, false, 1789, '{"request_id":"3ad78eb5-6e7a-4aad-b57c-2eab68d34c00","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548117,"workspace_at":1795798548113,"took_us":6565,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/preview/scim/v2/Users","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"userName\": \"ann@example.com\", \"displayName\": \"Ann\"}","bytes":53,"cut":false},"operation":"users.create","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":null,"status":201,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"active\":true,\"displayName\":\"Ann\",\"emails\":[{\"primary\":true,\"type\":\"work\",\"value\":\"ann@example.com\"}],\"entitlements\":[],\"groups\":[{\"$ref\":\"Groups/6139104264006507\",\"display\":\"users\",\"type\":\"direct\",\"value\":\"6139104264006507\"}],\"id\":\"1585931930651533\",\"roles\":[],\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\",\"urn:ietf:params:scim:schemas:extension:workspace:2.0:User\"],\"userName\":\"ann@example.com\"}","bytes":409,"cut":false}}'),
	(3274327432743274, 4, 1456242829869628, '7c1a87f9-21d1-4848-88a7-488105dc21b5', 49450, 4, false, 1794, '{"request_id":"7c1a87f9-21d1-4848-88a7-488105dc21b5","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548129,"workspace_at":1795798548121,"took_us":10197,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/preview/scim/v2/Groups","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"displayName\": \"inner\", \"members\": [{\"value\": \"6445754978499630\"}, {\"value\": \"1585931930651533\"}]}","bytes":99,"cut":false},"operation":"groups.create","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":null,"status":201,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"displayName\":\"inner\",\"entitlements\":[],\"groups\":[],\"id\":\"5977313620321644\",\"members\":[{\"$ref\":\"Users/1585931930651533\",\"display\":\"Ann\",\"value\":\"1585931930651533\"},{\"$ref\":\"ServicePrincipals/6445754978499630\",\"display\":\"robot\",\"value\":\"6445754978499630\"}],\"meta\":{\"resourceType\":\"WorkspaceGroup\"},\"roles\":[],\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Group\"]}","bytes":367,"cut":false}}'),
	(3274327432743274, 24, 1456242829869628, 'b58366f4-fffe-4119-a404-3d7e870efb22', 49450, 24, false, 1094, '{"request_id":"b58366f4-fffe-4119-a404-3d7e870efb22","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548376,"workspace_at":null,"took_us":8044,"source_ip":"127.0.0.1","method":"POST","path":"/oidc/v1/token","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/x-www-form-urlencoded"]],"body":{"text":"client_id=databricks-cli&redirect_uri=http%3A%2F%2Flocalhost%3A[redacted]","bytes":230,"cut":false},"operation":"oauth.token","credential":"none","token":null,"caller":"databricks-cli","trace":[],"faults":[],"why":null,"creates":null,"status":200,"answer_headers":[["content-type","application/json"]],"answer":{"text":"{\"access_token\":\"[redacted]\",\"refresh_token\":\"[redacted]\",\"scope\":\"offline_access all-apis\",\"token_type\":\"Bearer\",\"expires_in\":3600}","bytes":1098,"cut":false}}'),
	(3274327432743274, 5, 1456242829869628, '276e8837-1848-4cad-b2c6-06f3ba574658', 49450, 5, false, 1675, '{"request_id":"276e8837-1848-4cad-b2c6-06f3ba574658","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548137,"workspace_at":1795798548133,"took_us":5801,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/preview/scim/v2/Groups","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"displayName\": \"outer\", \"members\": [{\"value\": \"5977313620321644\"}]}","bytes":68,"cut":false},"operation":"groups.create","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":null,"status":201,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"displayName\":\"outer\",\"entitlements\":[],\"groups\":[],\"id\":\"1916826849893213\",\"members\":[{\"$ref\":\"Groups/5977313620321644\",\"display\":\"inner\",\"value\":\"5977313620321644\"}],\"meta\":{\"resourceType\":\"WorkspaceGroup\"},\"roles\":[],\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Group\"]}","bytes":279,"cut":false}}'),
	(3274327432743274, 6, 1456242829869628, '52131428-a3b5-4f81-a68b-39f74e769665', 49450, 6, false, 2046, '{"request_id":"52131428-a3b5-4f81-a68b-39f74e769665","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548148,"workspace_at":1795798548140,"took_us":8925,"source_ip":"127.0.0.1","method":"PATCH","path":"/api/2.0/permissions/authorization/tokens","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"access_control_list\": [{\"group_name\": \"outer\", \"permission_level\": \"CAN_USE\"}, {\"service_principal_name\": \"ff1f02a6-dec3-4b10-b67c-a2113cce91fb\", \"permission_level\": \"CAN_USE\"}]}","bytes":180,"cut":false},"operation":"tokenManagement.updatePermissions","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":null,"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"object_id\":\"/authorization/tokens\",\"object_type\":\"tokens\",\"access_control_list\":[{\"service_principal_name\":\"ff1f02a6-dec3-4b10-b67c-a2113cce91fb\",\"display_name\":\"locked out\",\"all_permissions\":[{\"permission_level\":\"CAN_USE\",\"inherited\":false}]},{\"group_name\":\"outer\",\"all_permissions\":[{\"permission_level\":\"CAN_USE\",\"inherited\":false}]},{\"group_name\":\"users\",\"all_permissions\":[{\"permission_level\":\"CAN_USE\",\"inherited\":false}]},{\"group_name\":\"admins\",\"all_permissions\":[{\"permission_level\":\"CAN_MANAGE\",\"inherited\":false}]}]}","bytes":527,"cut":false}}'),
	(3274327432743274, 7, 1456242829869628, 'cf9fc84b-c106-42b8-b8fb-80fd8fd7410f', 49450, 7, false, 1795, '{"request_id":"cf9fc84b-c106-42b8-b8fb-80fd8fd7410f","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548157,"workspace_at":1795798548152,"took_us":7041,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/token-management/on-behalf-of/tokens","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"application_id\": \"a91fba74-6e28-41b4-a911-7fbaed541bcf\", \"comment\": \"of the robot\", \"lifetime_seconds\": 2592000}","bytes":114,"cut":false},"operation":"tokenManagement.createOboToken","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":{"lifetime_seconds":2592000,"comment":null,"scopes":null,"autoscope_enabled":null},"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"token_value\":\"[redacted]\",\"token_info\":{\"token_id\":\"efeb81a9100e7c140db86dc19d7eb54f58eb5bbdb78ac04c389e2b6ae278a80a\",\"creation_time\":1795798548152,\"expiry_time\":1798390548152,\"comment\":\"of the robot\",\"created_by_id\":8548981517389096,\"created_by_username\":\"admin@example.com\",\"owner_id\":6445754978499630,\"workspace_id\":3274327432743274}}","bytes":365,"cut":false}}'),
	(3274327432743274, 8, 1456242829869628, 'dc0b8e44-0dca-48fa-b2b0-c6d504b9c4cb', 49450, 8, false, 1791, '{"request_id":"dc0b8e44-0dca-48fa-b2b0-c6d504b9c4cb","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548163,"workspace_at":1795798548160,"took_us":4572,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/token-management/on-behalf-of/tokens","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"application_id\": \"ff1f02a6-dec3-4b10-b67c-a2113cce91fb\", \"comment\": \"locked out\", \"lifetime_seconds\": 2592000}","bytes":112,"cut":false},"operation":"tokenManagement.createOboToken","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":{"lifetime_seconds":2592000,"comment":null,"scopes":null,"autoscope_enabled":null},"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"token_value\":\"[redacted]\",\"token_info\":{\"token_id\":\"fdedee83fdad38d6ef7e337620208ac9e80864462f870218c5eff81df682f683\",\"creation_time\":1795798548160,\"expiry_time\":1798390548160,\"comment\":\"locked out\",\"created_by_id\":8548981517389096,\"created_by_username\":\"admin@example.com\",\"owner_id\":3000390594859292,\"workspace_id\":3274327432743274}}","bytes":363,"cut":false}}'),
	(3274327432743274, 9, 1456242829869628, '75ab9734-eec3-42b1-8fda-d276d294ef3d', 49450, 9, false, 1750, '{"request_id":"75ab9734-eec3-42b1-8fda-d276d294ef3d","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548172,"workspace_at":1795798548167,"took_us":6626,"source_ip":"127.0.0.1","method":"PUT","path":"/api/2.0/permissions/authorization/tokens","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"access_control_list\": [{\"group_name\": \"outer\", \"permission_level\": \"CAN_USE\"}, {\"group_name\": \"admins\", \"permission_level\": \"CAN_MANAGE\"}]}","bytes":141,"cut":false},"operation":"tokenManagement.setPermissions","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":null,"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"object_id\":\"/authorization/tokens\",\"object_type\":\"tokens\",\"access_control_list\":[{\"group_name\":\"outer\",\"all_permissions\":[{\"permission_level\":\"CAN_USE\",\"inherited\":false}]},{\"group_name\":\"admins\",\"all_permissions\":[{\"permission_level\":\"CAN_MANAGE\",\"inherited\":false}]}]}","bytes":272,"cut":false}}'),
	(3274327432743274, 10, 1456242829869628, '1cc3002c-efb2-4c87-8e88-76eda8df9019', 49450, 10, false, 1561, '{"request_id":"1cc3002c-efb2-4c87-8e88-76eda8df9019","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548179,"workspace_at":1795798548175,"took_us":4751,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/token/create","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"comment\": \"short\", \"lifetime_seconds\": 3600}","bytes":46,"cut":false},"operation":"tokens.create","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":{"lifetime_seconds":3600,"comment":null,"scopes":null,"autoscope_enabled":null},"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"token_value\":\"[redacted]\",\"token_info\":{\"token_id\":\"9508d8bb33253fa4e21bd93c8aa2eca92e4017a22ce276e908494bfb139339fd\",\"creation_time\":1795798548175,\"expiry_time\":1795802148175,\"comment\":\"short\"}}","bytes":223,"cut":false}}'),
	(3274327432743274, 11, 1456242829869628, 'a17481fc-e707-4c9e-94a5-5331c8e26aac', 49450, 11, false, 1539, '{"request_id":"a17481fc-e707-4c9e-94a5-5331c8e26aac","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548184,"workspace_at":1795798548182,"took_us":3700,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/token/create","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"comment\": \"revoked\"}","bytes":22,"cut":false},"operation":"tokens.create","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":{"lifetime_seconds":null,"comment":null,"scopes":null,"autoscope_enabled":null},"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"token_value\":\"[redacted]\",\"token_info\":{\"token_id\":\"19b8ceac5b37a75fde05c652265fb6929a34ffaca4a22829109526d5be47e002\",\"creation_time\":1795798548182,\"expiry_time\":1858870548182,\"comment\":\"revoked\"}}","bytes":225,"cut":false}}'),
	(3274327432743274, 12, 1456242829869628, 'c38f8581-b540-48dc-b24a-4a25e7113471', 49450, 12, false, 1400, '{"request_id":"c38f8581-b540-48dc-b24a-4a25e7113471","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548191,"workspace_at":1795798548187,"took_us":4566,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/token/delete","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"token_id\": \"19b8ceac5b37a75fde05c652265fb6929a34ffaca4a22829109526d5be47e002\"}","bytes":80,"cut":false},"operation":"tokens.delete","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":null,"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{}","bytes":2,"cut":false}}'),
	(3274327432743274, 13, 1456242829869628, '41410e0f-598f-4bad-a0da-edfc06776f29', 49450, 13, false, 1303, '{"request_id":"41410e0f-598f-4bad-a0da-edfc06776f29","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548197,"workspace_at":1795798548193,"took_us":4435,"source_ip":"127.0.0.1","method":"PATCH","path":"/api/2.0/workspace-conf","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"maxTokenLifetimeDays\": \"60\"}","bytes":30,"cut":false},"operation":"workspaceConf.setStatus","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":null,"status":204,"answer_headers":[["x-databricks-org-id","3274327432743274"]],"answer":{"text":"","bytes":0,"cut":false}}'),
	(3274327432743274, 14, 1456242829869628, '6058934a-fcc0-4637-a4a6-dcdc4a1b4762', 49450, 14, false, 1616, '{"request_id":"6058934a-fcc0-4637-a4a6-dcdc4a1b4762","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548229,"workspace_at":1795805748225,"took_us":9919,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/token/create","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"comment\": \"with ''quotes'' and \\u00fcn\\u00efcode\", \"lifetime_seconds\": 4320000}","bytes":79,"cut":false},"operation":"tokens.create","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":{"lifetime_seconds":4320000,"comment":null,"scopes":null,"autoscope_enabled":null},"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"token_value\":\"[redacted]\",\"token_info\":{\"token_id\":\"57a8b0fa92b4b191a1700e44f04c20ac0c4e8cd8746f4d7cc6b33737dbcfda96\",\"creation_time\":1795805748225,\"expiry_time\":1800125748225,\"comment\":\"with ''quotes'' and ünïcode\"}}","bytes":245,"cut":false}}'),
	(3274327432743274, 15, 1456242829869628, '466064d8-93f4-4031-bc7f-7e9167e57e58', 49450, 15, false, 1623, '{"request_id":"466064d8-93f4-4031-bc7f-7e9167e57e58","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548237,"workspace_at":1795805748234,"took_us":5377,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/token/create","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"comment\": \"scoped\", \"scopes\": [\"sql\"]}","bytes":40,"cut":false},"operation":"tokens.create","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":{"lifetime_seconds":null,"comment":null,"scopes":["sql"],"autoscope_enabled":null},"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"token_value\":\"[redacted]\",\"token_info\":{\"token_id\":\"2a001fb68044df3beb3413f5a706f4a884f82ad8cc4bdafae62dff744ef0db03\",\"creation_time\":1795805748234,\"expiry_time\":1800989748234,\"comment\":\"scoped\",\"scopes\":[\"sql\"],\"autoscope_state\":\"AUTOSCOPE_STATE_USER_SELECTED\"}}","bytes":291,"cut":false}}'),
	(3274327432743274, 16, 1456242829869628, '3ddb6840-f471-48d8-89b5-e07cf0f3a306', 49450, 16, false, 1660, '{"request_id":"3ddb6840-f471-48d8-89b5-e07cf0f3a306","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548246,"workspace_at":1795805748240,"took_us":6909,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/accounts/servicePrincipals/6445754978499630/credentials/secrets","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{}","bytes":2,"cut":false},"operation":"servicePrincipalSecretsProxy.create","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":null,"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"id\":\"95e28788-9e4b-4d34-9a3c-2e5ddf4c68fd\",\"secret\":\"[redacted]\",\"secret_hash\":\"a2d6cfb6728c8b24a7729263c891923a7b73b33d349ab908aeb318e370f2b4dc\",\"status\":\"ACTIVE\",\"create_time\":\"2026-11-27T18:55:48.240Z\",\"update_time\":\"2026-11-27T18:55:48.240Z\",\"expire_time\":\"2028-11-26T18:55:48.240Z\"}","bytes":315,"cut":false}}'),
	(3274327432743274, 17, 1456242829869628, '6fce8c89-465b-4f68-aebd-d24635002d04', 49450, 17, false, 1021, '{"request_id":"6fce8c89-465b-4f68-aebd-d24635002d04","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548292,"workspace_at":null,"took_us":44187,"source_ip":"127.0.0.1","method":"POST","path":"/oidc/v1/token","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/x-www-form-urlencoded"]],"body":{"text":"grant_type=client_credentials&scope=all-apis","bytes":44,"cut":false},"operation":"oauth.token","credential":"none","token":null,"caller":"a91fba74-6e28-41b4-a911-7fbaed541bcf","trace":[],"faults":[],"why":null,"creates":null,"status":200,"answer_headers":[["content-type","application/json"]],"answer":{"text":"{\"access_token\":\"[redacted]\",\"scope\":\"all-apis\",\"token_type\":\"Bearer\",\"expires_in\":3600}","bytes":939,"cut":false}}'),
	(3274327432743274, 18, 1456242829869628, '1edd2424-a84c-4375-9fb7-080c1405a0dc', 49450, 18, false, 1021, '{"request_id":"1edd2424-a84c-4375-9fb7-080c1405a0dc","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548302,"workspace_at":null,"took_us":7466,"source_ip":"127.0.0.1","method":"POST","path":"/oidc/v1/token","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/x-www-form-urlencoded"]],"body":{"text":"grant_type=client_credentials&scope=all-apis","bytes":44,"cut":false},"operation":"oauth.token","credential":"none","token":null,"caller":"32743274-3274-4274-8274-327432743275","trace":[],"faults":[],"why":null,"creates":null,"status":200,"answer_headers":[["content-type","application/json"]],"answer":{"text":"{\"access_token\":\"[redacted]\",\"scope\":\"all-apis\",\"token_type\":\"Bearer\",\"expires_in\":3600}","bytes":939,"cut":false}}'),
	(3274327432743274, 19, 1456242829869628, 'de272435-9d55-441b-95ac-44189da632e8', 49450, 19, false, 1451, '{"request_id":"de272435-9d55-441b-95ac-44189da632e8","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548307,"workspace_at":1795805748306,"took_us":2914,"source_ip":"127.0.0.1","method":"GET","path":"/api/2.0/settings/types/restrict_workspace_admins/names/default","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"","bytes":0,"cut":false},"operation":"restrictWorkspaceAdmins.get","credential":"pat_bearer","token":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":null,"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"setting_name\":\"default\",\"restrict_workspace_admins\":{\"status\":\"ALLOW_ALL\"},\"etag\":\"unset\"}","bytes":92,"cut":false}}'),
	(3274327432743274, 20, 1456242829869628, 'df145319-61c5-4e64-9696-a1eaf03d806f', 49450, 20, false, 1537, '{"request_id":"df145319-61c5-4e64-9696-a1eaf03d806f","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548315,"workspace_at":1795805748311,"took_us":6472,"source_ip":"127.0.0.1","method":"PATCH","path":"/api/2.0/settings/types/restrict_workspace_admins/names/default","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"allow_missing\": true, \"setting\": {\"setting_name\": \"default\", \"restrict_workspace_admins\": {\"status\": \"RESTRICT_TOKENS_AND_JOB_RUN_AS\"}, \"etag\": \"unset\"}, \"field_mask\": \"restrict_workspace_admins.status\"}","bytes":205,"cut":false},"operation":"restrictWorkspaceAdmins.update","credential":"oauth","token":null,"caller":"32743274-3274-4274-8274-327432743275","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 3274327432743274"},{"check":"not_expired","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":null,"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","3274327432743274"]],"answer":{"text":"{\"setting_name\":\"default\",\"restrict_workspace_admins\":{\"status\":\"RESTRICT_TOKENS_AND_JOB_RUN_AS\"},\"etag\":\"59b0c8f3-0406-4869-bdda-50a114d45143\"}","bytes":144,"cut":false}}'),
	(42, 21, 2520479916672010, 'a8fef489-f40d-47f8-8dc0-2d43269b54ea', 49450, 21, false, 1505, '{"request_id":"a8fef489-f40d-47f8-8dc0-2d43269b54ea","workspace":42,"incarnation":2520479916672010,"at":1795798548337,"workspace_at":1795798548330,"took_us":8132,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/token/create","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"comment\": \"kept\"}","bytes":19,"cut":false},"operation":"tokens.create","credential":"pat_bearer","token":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 42"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":{"lifetime_seconds":null,"comment":null,"scopes":null,"autoscope_enabled":null},"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","42"]],"answer":{"text":"{\"token_value\":\"[redacted]\",\"token_info\":{\"token_id\":\"4ae6885ae8b2ea5529e46cebce7954c87662543fdb26b4b0b89102b85231541d\",\"creation_time\":1795798548330,\"expiry_time\":1858870548330,\"comment\":\"kept\"}}","bytes":222,"cut":false}}'),
	(42, 22, 2520479916672010, 'a83295cd-8cbc-46d6-af18-7a80ac42e7ff', 49450, 22, false, 1507, '{"request_id":"a83295cd-8cbc-46d6-af18-7a80ac42e7ff","workspace":42,"incarnation":2520479916672010,"at":1795798548350,"workspace_at":1795798548346,"took_us":5601,"source_ip":"127.0.0.1","method":"POST","path":"/api/2.0/token/create","query":null,"headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"{\"comment\": \"after\"}","bytes":20,"cut":false},"operation":"tokens.create","credential":"pat_bearer","token":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","caller":"admin@example.com","trace":[{"check":"credential_well_formed","passed":true,"because":""},{"check":"workspace_agrees","passed":true,"because":"workspace 42"},{"check":"tokens_enabled","passed":true,"because":""},{"check":"token_known","passed":true,"because":""},{"check":"not_expired","passed":true,"because":""},{"check":"not_inactive","passed":true,"because":""},{"check":"owner_active","passed":true,"because":""},{"check":"may_use_tokens","passed":true,"because":"CAN_MANAGE through admin@example.com > admins"},{"check":"scope_covers","passed":true,"because":""},{"check":"has_right","passed":true,"because":""}],"faults":[],"why":null,"creates":{"lifetime_seconds":null,"comment":null,"scopes":null,"autoscope_enabled":null},"status":200,"answer_headers":[["content-type","application/json"],["x-databricks-org-id","42"]],"answer":{"text":"{\"token_value\":\"[redacted]\",\"token_info\":{\"token_id\":\"e9c38c745c335a830496f37ce8e7bf85544daa164a1704cca5a78f6f1b8f100a\",\"creation_time\":1795798548346,\"expiry_time\":1858870548346,\"comment\":\"after\"}}","bytes":223,"cut":false}}'),
	(3274327432743274, 23, 1456242829869628, 'e02a282e-8948-49b8-80af-032df3c5d11d', 49450, 23, false, 1052, '{"request_id":"e02a282e-8948-49b8-80af-032df3c5d11d","workspace":3274327432743274,"incarnation":1456242829869628,"at":1795798548366,"workspace_at":null,"took_us":4246,"source_ip":"127.0.0.1","method":"GET","path":"/oidc/v1/authorize","query":"client_id=databricks-cli&redirect_uri=http%3A%2F%2Flocalhost%3A[redacted]%40example.com&o=3274327432743274","headers":[["host","127.0.0.1:45841"],["user-agent","Python-urllib/3.11"],["content-type","application/json"]],"body":{"text":"","bytes":0,"cut":false},"operation":"oauth.authorize","credential":"none","token":null,"caller":null,"trace":[],"faults":[],"why":null,"creates":null,"status":302,"answer_headers":[["location","http://localhost:8020?code=[redacted]&state=s&iss=http%3A%2F%2F127.0.0.1%3A45841%2Foidc"]],"answer":{"text":"","bytes":0,"cut":false}}');
INSERT INTO dapi_mock_fixture.faults VALUES
	(42, 1, '{"name":"rate_limited","match":{"path":"/api/2.0/token/list"},"offset":0,"times":1,"when":"before","effect":{"status":429,"error_code":"REQUEST_LIMIT_EXCEEDED","message":"Workspace exceeded the concurrent limit of 20 requests.","retry_after":1}}', 0);
INSERT INTO dapi_mock_fixture.group_members VALUES
	('32743274-3274-4274-8274-327432743274', 5319371815580773, 8548981517389096),
	('32743274-3274-4274-8274-327432743274', 5319371815580773, 6328297155257702),
	('32743274-3274-4274-8274-327432743274', 5977313620321644, 1585931930651533),
	('32743274-3274-4274-8274-327432743274', 5977313620321644, 6445754978499630),
	('32743274-3274-4274-8274-327432743274', 1916826849893213, 5977313620321644),
	('f92ee332-a077-4f11-9664-e88a3bb30dda', 6517587803215455, 1115689335640834),
	('f92ee332-a077-4f11-9664-e88a3bb30dda', 6517587803215455, 5035959224874444);
INSERT INTO dapi_mock_fixture.oauth_keys VALUES
	('e847fd4397021e01e4db86c53c99db9551973fa270bf96c8a37f90bd31f65ea0', '32743274-3274-4274-8274-327432743274', '0QFhQreQqF7f_YhJbTGdAfOne9rTK2awiJ5oBn-RXTyEsCEJLtBOa6j7on3jzceoXKGEZs5IN9LC7iRQ0m_nKRCmAHxXy05j7Pk756LfZVpaIp6oN15hCu3H90mNYIpOyBBN8bgAOF2YNZ_pclDjD8H0B8MhcH0urk3JmKegP5eY-5Hc6hhzY_5wF2m3C7eX0UoGmBH3TVrapP0RQwBW7ydMnN9POiiYJrLSd5Z7jWbmT_7nQFH1mqdoVWh1gPlrCp71I0jix7piNxwqABzZ25RlHR5mD4LpMxJargpSehjxoAR_GQhXS7AG-3iAIlILox85OqcWiaKtKoceT-WvTQ', 'MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDRAWFCt5CoXt/9iEltMZ0B86d72tMrZrCInmgGf5FdPISwIQku0E5rqPuifePNx6hcoYRmzkg30sLuJFDSb+cpEKYAfFfLTmPs+Tvnot9lWloinqg3XmEK7cf3SY1gik7IEE3xuAA4XZg1n+lyUOMPwfQHwyFwfS6uTcmYp6A/l5j7kdzqGHNj/nAXabcLt5fRSgaYEfdNWtqk/RFDAFbvJ0yc3086KJgmstJ3lnuNZuZP/udAUfWap2hVaHWA+WsKnvUjSOLHumI3HCoAHNnblGUdHmYPgukzElquClJ6GPGgBH8ZCFdLsAb7eIAiUgujHzk6pxaJoq0qhx5P5a9NAgMBAAECggEBAJlQU9Im6Vw4zEIkWQhaXnvyCaeW61Ro7ZIp8NDjfvRP0l2Ivj2y2/Opb3zQr+xhSyU37fGj2+HnHsqlpQvYvk6nQb4VeClQhYhtgv31wb2NO5UtoOOMvc7QgeDp+WUZz5R+MU7g1HiEX4Tmms4ae5UxhxqyjrL/gOCnevwZ6jj6XgGdJIVDwZ3wktlT6Jd449StJwuUB1PMoqSXx7F9JAGosnHyYiIUiCcNkBJFnokTPKhwXn65ZGfJALkSPkDe8o76vwN3nZ5GqSAoomfzjgDDRpoJgsM+8dNkA4WFtTZms5+OsP4kFDRVXGxQeh4KyMFR02a5DUyujtVoVPvRhFkCgYEA5Hd2Q1LptFTpzH+CyqQroht//8syoMf6DlcLkJnLKLZ6MyrI9F4g3bfIx9E5waM08YM8dw9SDYWUn4bW8k4O6K/+zqpvY19IDysUxSBxqajgJPHRyX430ZSpr3lWxe7Ma7G6shF3B/M4bqkh0gPh3q/b8v3s4c9QC33AmCRGfecCgYEA6jGCT2uJUm2Rj+78LokAfOVhQDuxc66rWPHxvEDEWAeuaKik5bx7CYjsdAY3UXmMdqY+JYRGRwMprgKvgdci7+9Oht3HVU7ibp25vXWXqqclqGrb/dqBM1F7pIUdZdyipBSNjgog7Tu5dndao8ZVpD48yNaZh+hdU7RiWz/E+qsCgYEAlg3wWt+GJ67tsCa/nKCfF+W/+B1Zr0go8GozalHYoXDYaerb+cQpCfa/pJ3CtW+gQk/T0s75MXBe4TgKzTJ/kEynqs0+Q6I9DdlZ1u8sOCZ2sU0yYIjJ2JkvqdSkLXReRw2AdZwK9enFUsk7MVjjbQNMDxjAEL+87w81A7gvpFkCgYAg02Oygh4zYYw/on3Sf/2DhBtHh5Zt4pO92dvKSUG8HQeDP/AtC2grg/ewo5ZpYyIfF1oqpAm9tmHHNDUpe+A3xVE6cieYe4AdhRodxjfGAbuziZbgVBo7+TXdb5MZTf22BfN5b04CMpbiVgRsZEZoyRh4Bixq8lTygJwwshWIFQKBgGyH5hAEZJGjtEh1WYU/MBx6AMUAnKRiVRGuKYzmMsiPqhi1BFE+JKiasjzAF5hIF1UK5heVpCVNzfSUbRa7ISGNII1N/Sxlx9uya4QtFcb/+lUj/SlZwrGF3XgvEzccQbMKgCYO60vuEGdgQ/ws7NTBQAZJHLJoV4vKt0HsKYBd', 1795798548287);
INSERT INTO dapi_mock_fixture.oauth_secrets VALUES
	('32743274-3274-4274-8274-327432743274', 6328297155257702, '11706b6c-4441-4585-8f4d-0e162f23f1cd', 'a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32', 1795798548030, 1858870548030, NULL),
	('32743274-3274-4274-8274-327432743274', 6445754978499630, '95e28788-9e4b-4d34-9a3c-2e5ddf4c68fd', 'a2d6cfb6728c8b24a7729263c891923a7b73b33d349ab908aeb318e370f2b4dc', 1795805748240, 1858877748240, NULL),
	('f92ee332-a077-4f11-9664-e88a3bb30dda', 5035959224874444, '8798567b-3679-448a-9ee1-5ef1b457c7e3', '4775cb0f13473036f205fa69baf19e02942b54907d7a5c886011f0b444f5256b', 1795798548323, 1858870548323, NULL);
INSERT INTO dapi_mock_fixture.principals VALUES
	('32743274-3274-4274-8274-327432743274', 5319371815580773, 3274327432743274, 'group', 'admins', 'admins', 'admins', true, false, NULL, '{}', 1795798548014, 7420681239806964),
	('32743274-3274-4274-8274-327432743274', 6139104264006507, 3274327432743274, 'group', 'users', 'users', 'users', true, false, NULL, '{}', 1795798548014, 4138841586676498),
	('32743274-3274-4274-8274-327432743274', 8548981517389096, 0, 'user', 'admin@example.com', 'admin@example.com', 'Workspace Admin', true, false, NULL, '{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}', 1795798548014, 5854093877603223),
	('32743274-3274-4274-8274-327432743274', 7673369853156113, 0, 'user', 'account-admin@example.com', 'account-admin@example.com', 'Account Admin', true, true, NULL, '{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}', 1795798548014, 8563943053939083),
	('32743274-3274-4274-8274-327432743274', 6328297155257702, 0, 'service_principal', '32743274-3274-4274-8274-327432743275', '32743274-3274-4274-8274-327432743275', 'admin-service-principal', true, true, NULL, '{}', 1795798548014, 1395114153493164),
	('32743274-3274-4274-8274-327432743274', 6445754978499630, 0, 'service_principal', 'a91fba74-6e28-41b4-a911-7fbaed541bcf', 'a91fba74-6e28-41b4-a911-7fbaed541bcf', 'robot', true, false, NULL, '{}', 1795798548091, 5009956503630111),
	('32743274-3274-4274-8274-327432743274', 3000390594859292, 0, 'service_principal', 'ff1f02a6-dec3-4b10-b67c-a2113cce91fb', 'ff1f02a6-dec3-4b10-b67c-a2113cce91fb', 'locked out', true, false, NULL, '{}', 1795798548105, 5395140149203494),
	('32743274-3274-4274-8274-327432743274', 1585931930651533, 0, 'user', 'ann@example.com', 'ann@example.com', 'Ann', true, false, NULL, '{"emails":[{"value":"ann@example.com","type":"work","primary":true}]}', 1795798548114, 2239471618257389),
	('32743274-3274-4274-8274-327432743274', 5977313620321644, 3274327432743274, 'group', 'inner', 'inner', 'inner', true, false, NULL, '{}', 1795798548122, 2505808380070140),
	('32743274-3274-4274-8274-327432743274', 1916826849893213, 3274327432743274, 'group', 'outer', 'outer', 'outer', true, false, NULL, '{}', 1795798548134, 6055499051121200),
	('f92ee332-a077-4f11-9664-e88a3bb30dda', 6517587803215455, 42, 'group', 'admins', 'admins', 'admins', true, false, NULL, '{}', 1795798548317, 5638358053585721),
	('f92ee332-a077-4f11-9664-e88a3bb30dda', 8208551212645662, 42, 'group', 'users', 'users', 'users', true, false, NULL, '{}', 1795798548317, 7312231520603476),
	('f92ee332-a077-4f11-9664-e88a3bb30dda', 1115689335640834, 0, 'user', 'admin@example.com', 'admin@example.com', 'Workspace Admin', true, false, NULL, '{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}', 1795798548317, 4187249415981438),
	('f92ee332-a077-4f11-9664-e88a3bb30dda', 2379753374396602, 0, 'user', 'account-admin@example.com', 'account-admin@example.com', 'Account Admin', true, true, NULL, '{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}', 1795798548317, 3965663729994653),
	('f92ee332-a077-4f11-9664-e88a3bb30dda', 5035959224874444, 0, 'service_principal', '32743274-3274-4274-8274-327432743275', '32743274-3274-4274-8274-327432743275', 'admin-service-principal', true, true, NULL, '{}', 1795798548317, 1302345607409175);
INSERT INTO dapi_mock_fixture.sign_ins VALUES
	('6a9dbe64-558b-4576-9a08-2547539eb364', 3274327432743274, '32743274-3274-4274-8274-327432743274', false, 'databricks-cli', 'http://localhost:8020', 's', 'offline_access all-apis', 'y5UF_tmp_ICTDGza-Ou2vUvx2cu7DBN-Xwf_z0RDfTw', 'redeemed', 8548981517389096, '0bb6a2ca391947ae866345107dde91a8518af1cfd99c48e1985d0a711c386877', '6b36e64015151af3f6e067097a071c330b5129e3547d79f3c84ed63fefc9aad6', 1796410548372);
INSERT INTO dapi_mock_fixture.system_time VALUES
	(1, 1795798548380);
INSERT INTO dapi_mock_fixture.token_acl VALUES
	(3274327432743274, 1916826849893213, 'CAN_USE'),
	(42, 8208551212645662, 'CAN_USE');
INSERT INTO dapi_mock_fixture.tokens VALUES
	('efeb81a9100e7c140db86dc19d7eb54f58eb5bbdb78ac04c389e2b6ae278a80a', 3274327432743274, 6445754978499630, 8548981517389096, 'admin@example.com', 'of the robot', 1795798548152, 1798390548152, NULL, NULL, 1795798548152, NULL, NULL, NULL, NULL, NULL),
	('fdedee83fdad38d6ef7e337620208ac9e80864462f870218c5eff81df682f683', 3274327432743274, 3000390594859292, 8548981517389096, 'admin@example.com', 'locked out', 1795798548160, 1798390548160, NULL, NULL, 1795798548160, NULL, NULL, NULL, NULL, NULL),
	('9508d8bb33253fa4e21bd93c8aa2eca92e4017a22ce276e908494bfb139339fd', 3274327432743274, 8548981517389096, 8548981517389096, 'admin@example.com', 'short', 1795798548175, 1795802148175, NULL, NULL, 1795798548175, NULL, NULL, NULL, NULL, NULL),
	('cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0', 3274327432743274, 8548981517389096, 8548981517389096, 'admin@example.com', 'dapi-mock admin token', 1795798548025, 1858870548025, 1795805748225, 'Python-urllib/3.11', 1795805748225, NULL, NULL, NULL, NULL, NULL),
	('57a8b0fa92b4b191a1700e44f04c20ac0c4e8cd8746f4d7cc6b33737dbcfda96', 3274327432743274, 8548981517389096, 8548981517389096, 'admin@example.com', 'with ''quotes'' and ünïcode', 1795805748225, 1800125748225, NULL, NULL, 1795805748225, NULL, NULL, NULL, NULL, NULL),
	('2a001fb68044df3beb3413f5a706f4a884f82ad8cc4bdafae62dff744ef0db03', 3274327432743274, 8548981517389096, 8548981517389096, 'admin@example.com', 'scoped', 1795805748234, 1800989748234, NULL, NULL, 1795805748234, '["sql"]', 'AUTOSCOPE_STATE_USER_SELECTED', NULL, NULL, NULL),
	('446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d', 42, 1115689335640834, 1115689335640834, 'admin@example.com', 'dapi-mock admin token', 1795798548321, 1858870548321, 1795798548330, 'Python-urllib/3.11', 1795798548330, NULL, NULL, NULL, NULL, NULL),
	('4ae6885ae8b2ea5529e46cebce7954c87662543fdb26b4b0b89102b85231541d', 42, 1115689335640834, 1115689335640834, 'admin@example.com', 'kept', 1795798548330, 1858870548330, NULL, NULL, 1795798548330, NULL, NULL, NULL, NULL, NULL),
	('e9c38c745c335a830496f37ce8e7bf85544daa164a1704cca5a78f6f1b8f100a', 42, 1115689335640834, 1115689335640834, 'admin@example.com', 'after', 1795798548346, 1858870548346, NULL, NULL, 1795798548346, NULL, NULL, NULL, NULL, NULL);
INSERT INTO dapi_mock_fixture.tombstones VALUES
	('19b8ceac5b37a75fde05c652265fb6929a34ffaca4a22829109526d5be47e002', 3274327432743274, 8548981517389096, 8548981517389096, 'admin@example.com', 'revoked', 1795798548182, 1858870548182, NULL, NULL, 1795798548187, 'revoked_by_owner', 'admin@example.com');
INSERT INTO dapi_mock_fixture.workspace_assignments VALUES
	(3274327432743274, 5319371815580773, true, '[]', '[]', true),
	(3274327432743274, 6139104264006507, true, '[]', '[]', true),
	(3274327432743274, 8548981517389096, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(3274327432743274, 7673369853156113, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(3274327432743274, 6328297155257702, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(3274327432743274, 6445754978499630, true, '[]', '[]', true),
	(3274327432743274, 3000390594859292, true, '[]', '[]', true),
	(3274327432743274, 1585931930651533, true, '[]', '[]', true),
	(3274327432743274, 5977313620321644, true, '[]', '[]', true),
	(3274327432743274, 1916826849893213, true, '[]', '[]', true),
	(42, 6517587803215455, true, '[]', '[]', true),
	(42, 8208551212645662, true, '[]', '[]', true),
	(42, 1115689335640834, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(42, 2379753374396602, true, '["workspace-access","databricks-sql-access"]', '[]', true),
	(42, 5035959224874444, true, '["workspace-access","databricks-sql-access"]', '[]', true);
INSERT INTO dapi_mock_fixture.workspace_conf VALUES
	(3274327432743274, 'maxTokenLifetimeDays', '60', NULL, 1795798548193);
INSERT INTO dapi_mock_fixture.workspace_settings VALUES
	(3274327432743274, 'restrict_workspace_admins', 'RESTRICT_TOKENS_AND_JOB_RUN_AS', '59b0c8f3-0406-4869-bdda-50a114d45143'),
	(3274327432743274, 'restrict_workspace_admins.disable_gov_tag_creation', 'false', '59b0c8f3-0406-4869-bdda-50a114d45143');
INSERT INTO dapi_mock_fixture.workspaces VALUES
	(3274327432743274, '32743274-3274-4274-8274-327432743274', 'dapi-mock', 'dapi-mock', 1795798548013, true, 5319371815580773, 6139104264006507, 'offset', 7200000, '{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30,"autoscope_days":30}', NULL, NULL, 0, 1456242829869628),
	(42, 'f92ee332-a077-4f11-9664-e88a3bb30dda', 'workspace-42', 'workspace-42', 1795798548317, false, 6517587803215455, 8208551212645662, 'real', 0, '{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30,"autoscope_days":30}', NULL, NULL, 0, 2520479916672010);
SELECT pg_catalog.setval('dapi_mock_fixture.audit_events_sequence_seq', 31, true);
SELECT pg_catalog.setval('dapi_mock_fixture.exchange_numbers', 24, true);
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
ALTER TABLE ONLY dapi_mock_fixture.exchanges
    ADD CONSTRAINT exchanges_pkey PRIMARY KEY (workspace_id, number);
ALTER TABLE ONLY dapi_mock_fixture.exchanges
    ADD CONSTRAINT exchanges_request_id_workspace_id_process_place_key UNIQUE (request_id, workspace_id, process, place);
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
ALTER TABLE ONLY dapi_mock_fixture.system_time
    ADD CONSTRAINT system_time_pkey PRIMARY KEY (id);
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
CREATE INDEX principals_account_admins ON dapi_mock_fixture.principals USING btree (account_id, principal_id) WHERE account_admin;
CREATE INDEX principals_by_age ON dapi_mock_fixture.principals USING btree (account_id, kind, created_at, principal_id);
CREATE INDEX principals_by_client_id ON dapi_mock_fixture.principals USING btree (kind, name_key);
CREATE UNIQUE INDEX principals_by_name ON dapi_mock_fixture.principals USING btree (account_id, workspace_id, kind, name_key);
CREATE UNIQUE INDEX principals_of_account_by_name ON dapi_mock_fixture.principals USING btree (account_id, name_key, principal_id);
CREATE INDEX sign_ins_by_expiry ON dapi_mock_fixture.sign_ins USING btree (workspace_id, expires_at, sign_in_id);
CREATE INDEX sign_ins_by_principal ON dapi_mock_fixture.sign_ins USING btree (account_id, principal_id);
CREATE INDEX tokens_by_autoscope_end ON dapi_mock_fixture.tokens USING btree (workspace_id, COALESCE(autoscope_until, (creation_time + '2592000000'::bigint))) WHERE (autoscope_state = 'AUTOSCOPE_STATE_RUNNING'::text);
CREATE INDEX tokens_by_creation ON dapi_mock_fixture.tokens USING btree (workspace_id, creation_time, token_id);
CREATE INDEX tokens_by_creator ON dapi_mock_fixture.tokens USING btree (workspace_id, created_by_id);
CREATE INDEX tokens_by_creator_name ON dapi_mock_fixture.tokens USING btree (workspace_id, created_by_username);
CREATE INDEX tokens_by_expiry ON dapi_mock_fixture.tokens USING btree (workspace_id, COALESCE(expiry_time, '9223372036854775807'::bigint), token_id);
CREATE INDEX tokens_by_idle ON dapi_mock_fixture.tokens USING btree (workspace_id, idle_from);
CREATE INDEX tokens_by_last_use ON dapi_mock_fixture.tokens USING btree (workspace_id, COALESCE(last_used_at, '-9223372036854775807'::bigint), token_id, owner_id, creation_time, expiry_time, last_used_at, idle_from);
CREATE INDEX tokens_by_owner ON dapi_mock_fixture.tokens USING btree (workspace_id, owner_id, creation_time, token_id);
CREATE INDEX tombstones_by_owner ON dapi_mock_fixture.tombstones USING btree (workspace_id, owner_id, ended_at);
CREATE INDEX tombstones_by_time ON dapi_mock_fixture.tombstones USING btree (workspace_id, ended_at);
CREATE INDEX workspaces_by_account ON dapi_mock_fixture.workspaces USING btree (account_id, is_default DESC, workspace_id);
CREATE INDEX workspaces_default ON dapi_mock_fixture.workspaces USING btree (workspace_id) WHERE is_default;
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
