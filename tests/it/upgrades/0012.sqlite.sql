-- {"users": ["ann@example.com"], "groups": {"inner": ["8084645358601418", "5221547819290958"], "outer": ["7835384286709058"]}, "robot": {"value": "dapi84116c6beff212cfc1f8f053c73ff149", "id": "1c2e03c2e8a608bf24d2795e4b2b9ab45d40fa344acd4ad7af10a5cccb0ce6d8"}, "suspended": {"value": "dapid732d0cb3c93a1d3e69d4e29103dc507", "id": "c26f74f2f1440f63d3a971ea073681729ac03b3ba4a90f6ee759b268ce08bf8e"}, "expired": {"value": "dapi27ee17b3ef51fb4a24cd0a16e8c21658", "id": "d33d646473e737cea09e125fc59da40bd82d430e5f6577b02c7eaccc15a56eba"}, "revoked": {"value": "dapi9111b6699818f7a0afe01663c59fa338", "id": "f2cd1fb73f074090b0635b161530d7eae1f84b8569949122aa49b975fd7f0214"}, "conf": {"maxTokenLifetimeDays": "60"}, "live": {"value": "dapia8ef9b723f431fb8d49992d93f043e5a", "id": "8f9fe7aae21f3fa5a4ed7e2baf1d19bb2295b966e23251b7846cebf24ca62dfb"}, "scoped": {"value": "dapi20851382efe4155e129219efb128527e", "id": "3b84b7aaaea740301f05ae00ee1c7ec55b08db76c38f9e2e9a5d58d31dce3dc6"}, "client": ["9a4d0e11-7988-408d-ad47-e4783daaef26", "dose32a0fd1adff71ef7914f2df151991134"], "access_token": "eyJraWQiOiI2MjE3MjA0ZTcxMzE0Y2E3ZjQwNTE4MmI1N2NlOWJlODYwZTUyZjliNWM5OTNhMjlmNmE3ODY5YjE2ZmUzOTVkIiwidHlwIjoiYXQrand0IiwiYWxnIjoiUlMyNTYifQ.eyJjbGllbnRfaWQiOiI5YTRkMGUxMS03OTg4LTQwOGQtYWQ0Ny1lNDc4M2RhYWVmMjYiLCJzY29wZSI6ImFsbC1hcGlzIiwiaXNzIjoiaHR0cDovLzEyNy4wLjAuMTo0Mzg2MS9vaWRjIiwiYXVkIjoiMzI3NDMyNzQzMjc0MzI3NCIsInN1YiI6IjlhNGQwZTExLTc5ODgtNDA4ZC1hZDQ3LWU0NzgzZGFhZWYyNiIsImlhdCI6MTc5NTU1MTYyNSwiZXhwIjoxNzk1NTU1MjI1LCJqdGkiOiJjNTY5YjNjMS0zYzZjLTRiYjQtOGUwZS03YzU4YTE2NmY4ZWYifQ.nDW4ycSz2lC050DRozgzgTJD8mums9e-LiZ--RwW9su0NooHLa6v47tA2C1X8PwUW5qndda8ETKijR3vBQhVvLaXkC1OGR-MSXjBy9OS82aKdIBtKbsce1NPHKT7L2mE15fv-0tebS3IRKPn6Zsw6AdKPiq7_YQEC_TVBJB7XIRpRDG0y_oMFM98U8Ogu_8EiqUasm6CqEAuG7SGtlfF1aZY4s41A5V-0uj_2uuwSM7HX8wLZh7tMdxNt6Gkq2wPqAVSR-AZ8WC_uc7lfuzhvcKOPrgXrh03u4Ou3o8lxwlLpDazw9XMGz0PJrkokD3lF23QYkjEFBrNtNpDISHTJQ", "setting": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "checkpoint": {"kept": "dapi5b0a5a336448bef4da0b4d5ae0244230", "lost": "dapie733016259680317c871ccf6b1ad65cf"}, "decoy": "dapibd4de0b756cc2720651177c1a5583615", "fault": "/api/2.0/token/list", "refresh_token": "dort98dec95606af4910a8b22f51e6d10280a12882a8b04946a84b3176b46dd077e5b743958a517c7df104d44f228b5bf4a8", "audit_events": 28, "made_at": 1795544425830}
PRAGMA foreign_keys = OFF;
PRAGMA application_id = 1145131081;
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO "_sqlx_migrations" VALUES(1,'init','2026-11-24 18:20:25',1,X'981439543882C3FB1DE3D3AA4716A6208DD9611E2D48D86FA3CC35F0CA5CA6742EDEEA0188E57599BCD4971037026B42',632382);
INSERT INTO "_sqlx_migrations" VALUES(2,'oauth','2026-11-24 18:20:25',1,X'77D0503C26CA224047803B819A9EA5663A33EF1E291FB41C2D60B60CB1DA953D25C6BF71D65ED89CA85AECC529A00027',277224);
INSERT INTO "_sqlx_migrations" VALUES(3,'settings','2026-11-24 18:20:25',1,X'6F7B1CDA212365348C1CAC21FBB20B25FF88804DC6172E8B629BBE39A85F19719D51BCB9DB9A07F3F2757288B898A058',176162);
INSERT INTO "_sqlx_migrations" VALUES(4,'sign in','2026-11-24 18:20:25',1,X'6F3CD001B411185F9BB278458A3377E79F23656E19BEF0F0F7E90817424EAA0C3BD8BA475BB82DE1D24E34BF50B49B6A',171345);
INSERT INTO "_sqlx_migrations" VALUES(5,'account','2026-11-24 18:20:25',1,X'DD03D837E99211F95C8CBB13F8679DE062C81CB893AC2D8729CD12831B50C21FA67C19CAC6C66604D0E0E74EAF39984A',562268);
INSERT INTO "_sqlx_migrations" VALUES(6,'token report','2026-11-24 18:20:25',1,X'D686BE899BB408A853C1C3926F1DB5C8921CDA28685BA0C95735D876ADF1AB481A5B5A14C676D39D86C5837683834682',206287);
INSERT INTO "_sqlx_migrations" VALUES(7,'worlds','2026-11-24 18:20:25',1,X'701D37E6D8DEF51D16BDA9A2D635D35A1DEBB7E3789B35E5FBD6D397B205DA562A01056FF62A8616D11DEC97DABA60FB',4752244);
INSERT INTO "_sqlx_migrations" VALUES(8,'faults','2026-11-24 18:20:25',1,X'250DBCF31BFA14A7E3D4EE1B4F1C3501E5598B45D85FA64787B6481FAAD2F23B822CB978CDCC01AB4F1AA01E6584D9BD',153008);
INSERT INTO "_sqlx_migrations" VALUES(9,'decoys','2026-11-24 18:20:25',1,X'066CFC4EEEE096DD9CF7108C1E08BDEBE5F2BBEFAB9F11AA9C583A0EB92CDD1E3B233DFF6D24F56B1417B4A1D64DDCC7',113409);
INSERT INTO "_sqlx_migrations" VALUES(10,'incarnation','2026-11-24 18:20:25',1,X'B32C0DC0D2F578CC6EFB991459E2B2B23E5BC11FB548BE6914C6836D7C5410EC05D0FBEA17F7EF85595642E5B061790D',340407);
INSERT INTO "_sqlx_migrations" VALUES(11,'page sessions','2026-11-24 18:20:25',1,X'59F95829DCE6D08386EE52F61F6B37B0C926E636F35D7488D58D644051A17053988E450892DCA0D9182906ABCBB70FD1',177705);
INSERT INTO "_sqlx_migrations" VALUES(12,'exchanges','2026-11-24 18:20:25',1,X'F4C105959376BBB13981DB29EEFC5C7CECE9B5A8321A9CAF4AC5779874973C5CB4477AD72D9436EFAD02C0EBE236DAB1',197895);
CREATE TABLE accounts (
  account_id TEXT NOT NULL PRIMARY KEY,
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "accounts" VALUES('32743274-3274-4274-8274-327432743274',1795544425692);
INSERT INTO "accounts" VALUES('e4593c75-3a78-4422-961a-82dc5326cf68',1795544425797);
CREATE TABLE audit_events (
  sequence       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  workspace_id   INTEGER NOT NULL,
  event_id       TEXT    NOT NULL,
  event_time     INTEGER NOT NULL,
  account_id     TEXT    NOT NULL,
  service_name   TEXT    NOT NULL,
  action_name    TEXT    NOT NULL,
  actor          TEXT,
  request_id     TEXT    NOT NULL,
  source_ip      TEXT    NOT NULL,
  user_agent     TEXT    NOT NULL,
  request_params TEXT    NOT NULL,
  status_code    INTEGER NOT NULL,
  error_message  TEXT
, account_level INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "audit_events" VALUES(1,3274327432743274,'9bed0324-c57d-4b4a-8645-00681b398f80',1795544425724,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','556d1bb7-4742-42f4-b774-2732899e8e34','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(2,3274327432743274,'d2372fe9-f64d-4074-a2db-87e4b0613cd5',1795544425724,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','556d1bb7-4742-42f4-b774-2732899e8e34','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"8084645358601418","targetUserName":"9a4d0e11-7988-408d-ad47-e4783daaef26"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(3,3274327432743274,'ee0b766d-cf13-4d2b-abb8-331d8be5d3a3',1795544425727,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','0d209475-973f-4edd-bce2-5cf092f6837d','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"8150683255991898","targetUserName":"90a4be42-fa54-42f7-859e-a7944c7711d9"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(4,3274327432743274,'8a66c4e6-66d5-4f4e-9285-82c05d9149cf',1795544425730,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','a952acc4-5150-43bb-9490-bfa20cdb316a','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"5221547819290958","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(5,3274327432743274,'586d6eac-3754-4e07-a851-d76bae46e04c',1795544425732,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','bcdb1e22-2aaf-4f26-917d-c4bc74fc19dd','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"7835384286709058","targetGroupName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(6,3274327432743274,'5d0f7c89-19ca-47ce-8a51-c35609d322c6',1795544425732,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','bcdb1e22-2aaf-4f26-917d-c4bc74fc19dd','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"7835384286709058","targetGroupName":"inner","targetUserId":"5221547819290958","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(7,3274327432743274,'b40f84a8-7a35-4a2d-aeca-ccdd98de8502',1795544425732,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','bcdb1e22-2aaf-4f26-917d-c4bc74fc19dd','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"7835384286709058","targetGroupName":"inner","targetUserId":"8084645358601418","targetUserName":"9a4d0e11-7988-408d-ad47-e4783daaef26"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(8,3274327432743274,'743421c3-028f-4d36-bbd9-53ccbc9a5538',1795544425734,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','7f07ec5c-690e-4c31-b289-e8e2537e4026','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"1813388216061737","targetGroupName":"outer"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(9,3274327432743274,'f57f67de-6701-43f0-a120-6e926bc88355',1795544425734,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','7f07ec5c-690e-4c31-b289-e8e2537e4026','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"1813388216061737","targetGroupName":"outer","targetUserId":"7835384286709058","targetUserName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(10,3274327432743274,'d3bee906-a382-496d-8b8f-3c4fd3eba0fb',1795544425736,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','540889e4-c116-40aa-90aa-cb4623b18a05','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"1813388216061737"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(11,3274327432743274,'9b104254-2d93-442c-963d-29b1fadf1ec4',1795544425736,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','540889e4-c116-40aa-90aa-cb4623b18a05','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"8150683255991898"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(12,3274327432743274,'8c01fa50-cad8-47e9-99ca-44a0a62d940d',1795544425739,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','ec799fd1-39a6-4fdb-815e-e62c2c67888f','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"8396434546769540","tokenExpirationTime":"1798136425739","tokenHash":"1c2e03c2e8a608bf24d2795e4b2b9ab45d40fa344acd4ad7af10a5cccb0ce6d8","tokenId":"1c2e03c2e8a608bf24d2795e4b2b9ab45d40fa344acd4ad7af10a5cccb0ce6d8","userId":"8084645358601418"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(13,3274327432743274,'7137ab6e-3b14-4c30-8572-6dbd7f2d6dcd',1795544425741,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','ca1deeb6-d0d7-4947-9b65-85cb92a0aee0','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"8396434546769540","tokenExpirationTime":"1798136425741","tokenHash":"c26f74f2f1440f63d3a971ea073681729ac03b3ba4a90f6ee759b268ce08bf8e","tokenId":"c26f74f2f1440f63d3a971ea073681729ac03b3ba4a90f6ee759b268ce08bf8e","userId":"8150683255991898"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(14,3274327432743274,'2a61ddf2-5094-4fa7-b2d2-6020fe67b6f3',1795544425743,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','94284a7f-544d-4d39-9976-0e78b6f2c830','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"4096514768177369"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(15,3274327432743274,'0a92bb8e-c4cc-4f90-9cab-8a5c229a92d6',1795544425743,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','94284a7f-544d-4d39-9976-0e78b6f2c830','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"8150683255991898"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(16,3274327432743274,'aa798140-e5d8-4153-9177-5c10d098700f',1795544425744,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','bc1b6136-0b31-4e7b-91c0-676e3ed2f92f','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"8396434546769540","tokenExpirationTime":"1795548025744","tokenHash":"d33d646473e737cea09e125fc59da40bd82d430e5f6577b02c7eaccc15a56eba","tokenId":"d33d646473e737cea09e125fc59da40bd82d430e5f6577b02c7eaccc15a56eba","userId":"8396434546769540"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(17,3274327432743274,'466114ee-e4cb-485d-83b2-41ae0ad670e2',1795544425746,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','2037d9b0-1ddf-4993-80e2-f10592889a62','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"8396434546769540","tokenExpirationTime":"1858616425746","tokenHash":"f2cd1fb73f074090b0635b161530d7eae1f84b8569949122aa49b975fd7f0214","tokenId":"f2cd1fb73f074090b0635b161530d7eae1f84b8569949122aa49b975fd7f0214","userId":"8396434546769540"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(18,3274327432743274,'0b78b5d3-2967-429e-9b42-9a30c98269c9',1795544425748,'32743274-3274-4274-8274-327432743274','accounts','revokeDbToken','admin@example.com','ed8a1f54-72bd-45bb-9972-a1390810e240','127.0.0.1','Python-urllib/3.11','{"tokenHash":"f2cd1fb73f074090b0635b161530d7eae1f84b8569949122aa49b975fd7f0214","tokenId":"f2cd1fb73f074090b0635b161530d7eae1f84b8569949122aa49b975fd7f0214","userId":"8396434546769540"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(19,3274327432743274,'c2d7e080-c7a5-41a3-9201-7f31ced17837',1795544425750,'32743274-3274-4274-8274-327432743274','workspace','workspaceConfEdit','admin@example.com','0b7e8e94-0eb9-4946-b09d-e6ed6c68279e','127.0.0.1','Python-urllib/3.11','{"workspaceConfKeys":"maxTokenLifetimeDays","workspaceConfValues":"60"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(20,3274327432743274,'aa22ae19-11bd-4691-975e-7d1ec0cf979a',1795551625755,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','525eb4c5-bc3e-4d83-b499-28cfa4717746','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(21,3274327432743274,'782728f5-e097-4e33-95ba-0988204f0253',1795551625755,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','525eb4c5-bc3e-4d83-b499-28cfa4717746','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"8396434546769540","tokenExpirationTime":"1799871625755","tokenHash":"8f9fe7aae21f3fa5a4ed7e2baf1d19bb2295b966e23251b7846cebf24ca62dfb","tokenId":"8f9fe7aae21f3fa5a4ed7e2baf1d19bb2295b966e23251b7846cebf24ca62dfb","userId":"8396434546769540"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(22,3274327432743274,'036502be-f5ad-432f-9a4c-e56a62ced144',1795551625757,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','3417edf9-b53b-4ea0-8271-92223a35efcc','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"8396434546769540","tokenExpirationTime":"1800735625757","tokenHash":"3b84b7aaaea740301f05ae00ee1c7ec55b08db76c38f9e2e9a5d58d31dce3dc6","tokenId":"3b84b7aaaea740301f05ae00ee1c7ec55b08db76c38f9e2e9a5d58d31dce3dc6","userId":"8396434546769540"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(23,3274327432743274,'4049dc98-38b5-482d-9d01-1e6223b92062',1795551625759,'32743274-3274-4274-8274-327432743274','servicePrincipalCredentials','create','admin@example.com','a41fd367-f947-40da-87c2-b3f4a7b23ebb','127.0.0.1','Python-urllib/3.11','{"secret_id":"d84391af-0b48-4659-a835-2764642ee76f","service_principal":"8084645358601418"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(24,3274327432743274,'34816086-a2b9-42f0-8cd4-7a4395dceb37',1795551625762,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','9a4d0e11-7988-408d-ad47-e4783daaef26','16a27090-4c61-4ba8-b6e7-d63cb14bf4d5','127.0.0.1','Python-urllib/3.11','{"client_id":"9a4d0e11-7988-408d-ad47-e4783daaef26","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(25,3274327432743274,'a028b8b1-7cae-47ff-a1fc-06b2209f5377',1795551625786,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','32743274-3274-4274-8274-327432743275','5e36aa70-8e5a-425b-982c-0c8e3477ef9a','127.0.0.1','Python-urllib/3.11','{"client_id":"32743274-3274-4274-8274-327432743275","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(26,3274327432743274,'294cf0ce-c9fe-42a4-aa47-a16d7f9fa1ba',1795551625795,'32743274-3274-4274-8274-327432743274','accounts','setSetting','32743274-3274-4274-8274-327432743275','2a21a16c-b1c9-496b-9275-df8a331e4d65','127.0.0.1','Python-urllib/3.11','{"settingTypeName":"restrict_workspace_admins","settingValueForAudit":"RESTRICT_TOKENS_AND_JOB_RUN_AS"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(27,42,'f7baeed6-f102-4da6-bdcf-4c30bee9c0d1',1795544425800,'e4593c75-3a78-4422-961a-82dc5326cf68','accounts','tokenLogin','admin@example.com','6624786e-eec4-4b00-ae45-06b2418dc2d0','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(28,42,'c31c3c11-83f8-4d68-99ad-b02c5ea85ffa',1795544425800,'e4593c75-3a78-4422-961a-82dc5326cf68','accounts','generateDbToken','admin@example.com','6624786e-eec4-4b00-ae45-06b2418dc2d0','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3498797122754352","tokenExpirationTime":"1858616425800","tokenHash":"ce11eca04180707f3a2160ba1a9814a0aab789bcdbc54e82fe530329d77e7d8c","tokenId":"ce11eca04180707f3a2160ba1a9814a0aab789bcdbc54e82fe530329d77e7d8c","userId":"3498797122754352"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(29,42,'cb1741da-fa49-43bf-af74-cd5b5a73e886',1795544425811,'e4593c75-3a78-4422-961a-82dc5326cf68','accounts','generateDbToken','admin@example.com','c7963f5f-3623-4752-af4e-6379bf854ec3','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3498797122754352","tokenExpirationTime":"1858616425811","tokenHash":"e08263d83b69daa09fbc7e0e42b934738b5c38c8a8aee9bb571ec7201a402006","tokenId":"e08263d83b69daa09fbc7e0e42b934738b5c38c8a8aee9bb571ec7201a402006","userId":"3498797122754352"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(30,3274327432743274,'c67ac44b-cd4d-4a07-b628-db8883a1bbf7',1795551625817,'32743274-3274-4274-8274-327432743274','accounts','oidcBrowserLogin','admin@example.com','ba702c56-bd27-4c2d-979c-f660f4917ec6','127.0.0.1','Python-urllib/3.11','{"user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(31,3274327432743274,'77d250f0-629a-4666-9435-3e63e8e04c97',1795551625821,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','admin@example.com','42f6a0ac-37ee-4c98-8b4c-6eb59393322e','127.0.0.1','Python-urllib/3.11','{"client_id":"databricks-cli","expires_in":"3600","grant_type":"authorization_code","scope":"offline_access all-apis"}',200,NULL,0);
CREATE TABLE checkpoint_rows (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  table_name      TEXT    NOT NULL,
  is_account      INTEGER NOT NULL,
  content         TEXT    NOT NULL
) STRICT;
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspaces',0,'{"workspace_id":3274327432743274,"account_id":"32743274-3274-4274-8274-327432743274","name":"dapi-mock","deployment_name":"dapi-mock","created_at":1795544425692,"is_default":1,"admins_group_id":8571850032536889,"users_group_id":4096514768177369,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":4096514768177369,"workspace_id":3274327432743274,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795544425692}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":8571850032536889,"workspace_id":3274327432743274,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795544425692}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":3661278660424738,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795544425692}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":3826975059727343,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795544425692}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":8396434546769540,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795544425692}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":8571850032536889,"member_id":3661278660424738}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":8571850032536889,"member_id":8396434546769540}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":3661278660424738,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":3826975059727343,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":4096514768177369,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":8396434546769540,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":8571850032536889,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','token_acl',0,'{"workspace_id":3274327432743274,"principal_id":4096514768177369,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','tokens',0,'{"token_id":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","workspace_id":3274327432743274,"owner_id":8396434546769540,"created_by_id":8396434546769540,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795544425710,"expiry_time":1858616425710,"last_used_at":null,"last_client":null,"idle_from":1795544425710,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','oauth_secrets',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":3661278660424738,"secret_id":"3cc471a2-0022-4084-b561-dc80c2715a86","secret_hash":"a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32","created_at":1795544425711,"expires_at":1858616425711}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspaces',0,'{"workspace_id":42,"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","name":"workspace-42","deployment_name":"workspace-42","created_at":1795544425797,"is_default":0,"admins_group_id":1065118259413181,"users_group_id":5286090850421768,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","principal_id":1065118259413181,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795544425797}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","principal_id":5286090850421768,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795544425797}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","principal_id":3498797122754352,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795544425797}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","principal_id":3781368127125493,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795544425797}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","principal_id":5520957098303030,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795544425797}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","group_id":1065118259413181,"member_id":3498797122754352}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","group_id":1065118259413181,"member_id":3781368127125493}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":1065118259413181,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":3498797122754352,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":3781368127125493,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":5286090850421768,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":5520957098303030,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','token_acl',0,'{"workspace_id":42,"principal_id":5286090850421768,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":3498797122754352,"created_by_id":3498797122754352,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795544425797,"expiry_time":1858616425797,"last_used_at":null,"last_client":null,"idle_from":1795544425797,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','oauth_secrets',1,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","principal_id":3781368127125493,"secret_id":"6552abdc-74d0-4d7f-804a-b8601206365a","secret_hash":"b91f7775520ba92068431a7bd729f988013599126c65aa812726b6dfe744fea5","created_at":1795544425797,"expires_at":1858616425797}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspaces',0,'{"workspace_id":42,"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","name":"workspace-42","deployment_name":"workspace-42","created_at":1795544425797,"is_default":0,"admins_group_id":1065118259413181,"users_group_id":5286090850421768,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","principal_id":1065118259413181,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795544425797}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","principal_id":5286090850421768,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795544425797}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","principal_id":3498797122754352,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795544425797}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","principal_id":3781368127125493,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795544425797}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","principal_id":5520957098303030,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795544425797}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","group_id":1065118259413181,"member_id":3498797122754352}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","group_id":1065118259413181,"member_id":3781368127125493}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":1065118259413181,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":3498797122754352,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":3781368127125493,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":5286090850421768,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":5520957098303030,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','token_acl',0,'{"workspace_id":42,"principal_id":5286090850421768,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":3498797122754352,"created_by_id":3498797122754352,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795544425797,"expiry_time":1858616425797,"last_used_at":1795544425800,"last_client":"Python-urllib/3.11","idle_from":1795544425800,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"ce11eca04180707f3a2160ba1a9814a0aab789bcdbc54e82fe530329d77e7d8c","workspace_id":42,"owner_id":3498797122754352,"created_by_id":3498797122754352,"created_by_username":"admin@example.com","comment":"kept","creation_time":1795544425800,"expiry_time":1858616425800,"last_used_at":null,"last_client":null,"idle_from":1795544425800,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":27,"workspace_id":42,"event_id":"f7baeed6-f102-4da6-bdcf-4c30bee9c0d1","event_time":1795544425800,"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","service_name":"accounts","action_name":"tokenLogin","actor":"admin@example.com","request_id":"6624786e-eec4-4b00-ae45-06b2418dc2d0","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"authenticationMethod\":\"API_EXT_PAT_TOKEN\",\"tokenId\":\"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d\",\"user\":\"admin@example.com\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":28,"workspace_id":42,"event_id":"c31c3c11-83f8-4d68-99ad-b02c5ea85ffa","event_time":1795544425800,"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","service_name":"accounts","action_name":"generateDbToken","actor":"admin@example.com","request_id":"6624786e-eec4-4b00-ae45-06b2418dc2d0","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"tokenCreatedBy\":\"3498797122754352\",\"tokenExpirationTime\":\"1858616425800\",\"tokenHash\":\"ce11eca04180707f3a2160ba1a9814a0aab789bcdbc54e82fe530329d77e7d8c\",\"tokenId\":\"ce11eca04180707f3a2160ba1a9814a0aab789bcdbc54e82fe530329d77e7d8c\",\"userId\":\"3498797122754352\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','oauth_secrets',1,'{"account_id":"e4593c75-3a78-4422-961a-82dc5326cf68","principal_id":3781368127125493,"secret_id":"6552abdc-74d0-4d7f-804a-b8601206365a","secret_hash":"b91f7775520ba92068431a7bd729f988013599126c65aa812726b6dfe744fea5","created_at":1795544425797,"expires_at":1858616425797}');
CREATE TABLE checkpoints (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  created_at      INTEGER NOT NULL,
  has_account     INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, checkpoint_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "checkpoints" VALUES(42,'before',1795544425804,1);
INSERT INTO "checkpoints" VALUES(42,'empty',1795544425798,1);
INSERT INTO "checkpoints" VALUES(3274327432743274,'empty',1795544425711,1);
CREATE TABLE decoys (
  workspace_id INTEGER NOT NULL,
  decoy_id     TEXT NOT NULL,
  comment      TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  uses         INTEGER NOT NULL DEFAULT 0,
  last_used_at INTEGER,
  last_client  TEXT,
  last_ip      TEXT,
  PRIMARY KEY (decoy_id, workspace_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "decoys" VALUES(3274327432743274,'99e8697765fc05aa4f73ed4835f850e0c2316948d6215e05eb1286bf5f207864','bait',1795551625813,0,NULL,NULL,NULL);
CREATE TABLE exchanges (
  -- 0 where no workspace could be told.
  workspace_id INTEGER NOT NULL,
  number       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  -- Of the workspace when the request was checked: what belongs to an earlier one is not shown.
  incarnation  INTEGER NOT NULL,
  request_id   TEXT NOT NULL,
  -- Who wrote it, and its place there: what is written again, as the first answer was lost, is there once.
  process      INTEGER NOT NULL,
  place        INTEGER NOT NULL,
  is_refused   INTEGER NOT NULL,
  -- Roughly what it takes.
  bytes        INTEGER NOT NULL,
  -- JSON.
  content      TEXT NOT NULL,
  -- An id alone is asked for, so it comes first.
  UNIQUE (request_id, workspace_id, process, place)
) STRICT;
CREATE TABLE faults (
  workspace_id INTEGER NOT NULL,
  fault_id     INTEGER NOT NULL,
  rule         TEXT   NOT NULL,
  seen         INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (workspace_id, fault_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "faults" VALUES(42,1,'{"name":"rate_limited","match":{"path":"/api/2.0/token/list"},"offset":0,"times":1,"when":"before","effect":{"status":429,"error_code":"REQUEST_LIMIT_EXCEEDED","message":"Workspace exceeded the concurrent limit of 20 requests.","retry_after":1}}',0);
CREATE TABLE group_members (
  account_id TEXT    NOT NULL,
  group_id   INTEGER NOT NULL,
  member_id  INTEGER NOT NULL,
  PRIMARY KEY (account_id, group_id, member_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',8571850032536889,3661278660424738);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',7835384286709058,5221547819290958);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',1813388216061737,7835384286709058);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',7835384286709058,8084645358601418);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',8571850032536889,8396434546769540);
INSERT INTO "group_members" VALUES('e4593c75-3a78-4422-961a-82dc5326cf68',1065118259413181,3498797122754352);
INSERT INTO "group_members" VALUES('e4593c75-3a78-4422-961a-82dc5326cf68',1065118259413181,3781368127125493);
CREATE TABLE oauth_keys (
  kid         TEXT    NOT NULL PRIMARY KEY,
  account_id  TEXT    NOT NULL REFERENCES accounts (account_id),
  -- The RSA modulus as in a JWK; the exponent is 65537.
  modulus     TEXT    NOT NULL,
  -- PKCS#8 in base64.
  private_key TEXT    NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO "oauth_keys" VALUES('6217204e71314ca7f405182b57ce9be860e52f9b5c993a29f6a7869b16fe395d','32743274-3274-4274-8274-327432743274','n0VqWktPGF1WMQu394mEs-Arig_siCTdnqLXFw9oj0xDbsfTRpVNWms5MhfIP8V5GNcQ6oy8LTJu8X_9QnTNDNe0Af8FbfqwxNrODEF8DW8aohaDIoztThHu-pa6CtIILKqif8u1OyvcRayzqN7soSn0zw9SUz5aGO92PgFDh-HPPyWZPvROA_9gE7NsTFZ6Qx0ZFaVj904cosxE4sqR-KZPNtOh4c1erWQMTViyXm0FFo75tLR0_hKe_yfRKSi88-w8SUyD9XmwBC_hGHBuqcnAVnPvJzIVjZjPWTNIZB2mMfM0Pt7wpap3wXWIqnD3mPaF1kAW6VsrgKpmq532XQ','MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCfRWpaS08YXVYxC7f3iYSz4CuKD+yIJN2eotcXD2iPTENux9NGlU1aazkyF8g/xXkY1xDqjLwtMm7xf/1CdM0M17QB/wVt+rDE2s4MQXwNbxqiFoMijO1OEe76lroK0ggsqqJ/y7U7K9xFrLOo3uyhKfTPD1JTPloY73Y+AUOH4c8/JZk+9E4D/2ATs2xMVnpDHRkVpWP3ThyizETiypH4pk8206HhzV6tZAxNWLJebQUWjvm0tHT+Ep7/J9EpKLzz7DxJTIP1ebAEL+EYcG6pycBWc+8nMhWNmM9ZM0hkHaYx8zQ+3vClqnfBdYiqcPeY9oXWQBbpWyuAqmarnfZdAgMBAAECggEAWqzLWrKrSiTBUFTqnIv3N+z0/LoKIIxUe98bc257SbHSZjxvhSy1CDgpLOKrR9smEUVHxTDwZQ7kaKtERVR39MrNGaHVtoJVpw0m54VUmdVaJVOJvt7ar2q4UoQDUOu4aa2PrBAOkqxq0GP9OLQJpctcK5H+fZPu+WlDORPBHZdEFXmaKRbONy4SKCut+8FLX1W0UxqT6M7eNB1m/+A/kryhRC6BQ2E+DhxDvTS0D2CiXDPngyK65/AEhl94985aHvKvShNiw2GwpJKI+y6ph3e0IsWeUmZf7zO+kICE2RJxe22nXKwaTuYwLjjlEfCI494H5ZTpxG7dXluWDsNehQKBgQDAbZifbmMfQAgZN//PMIMe9IcPxkaUGJ/5U5XQQUbJT24QwB3i8QjLU1/faiR9qBxtDvQmg/n5SdNaEAwhKq+t/TTOlT1Op9ATha+hmpdSNbuAMASBv/GmPXhfypn1q8KTdHCst/LhhDAXoXvLvOVUlNfSoeSm0I1yurfcW8iVTwKBgQDT45rTB7tWChQ8XZ7WN/75BavLtEeGWxVBaqyT+mFEx/TqIGWjQ1Uo4Fm476IrVtJznkFgeFLrVP4zbaSvBJA//f2jVuEIev3fxhOHGrgfzr78PblZi/fjeE7xYkSQUP0zX40QF1BZn5IUnvTEuTJkyeccn5YH0TkE8f115bGmkwKBgHDQUAg4WVh628SdNhYsJNNDHOO8pKgyf6dWv6AmhO+E58xeNadVFIjPyoda3SXmJzQw7iaefTEPfR9yBQp00iY5KnpquFSiwbSQTdV6oniKE/ElNZ8z/uIta6MNTpHfLuXwABbiiTx5mRBhlghuKC0cTiOo0jqSTjsTCLPiA4i1AoGAdZawS0DVNBBv3nhON6/nrib5ihjIQMW3bBBZKd4fsN4PCwdjoFEzp3WqFTnXk5mhPUysF29vBO6sC7pjVEWCECFSax1B0UUAMvlnyOiJGg3Qa4eNnyZQMUqI9OiGCFkJy0LRtAZcLwChPxRf3fSxBMIPohDmX/w6WoY5FP6dskUCgYBlNDxwCuWKrk2UujKLimTdVaPz31cM+yY9b60FO76qApxIvj3ROo/I5Pqkp1emn88bV1gjpa1ciSCDKa4HGg49cNNnDBs7vco+TKfCf/imy112nBF7Yt5m2MG7sI0vnPHlitRkEQgmol3fpz1DALlSeDQTtIJ7X8KjovdEXWhWdw==',1795544425782);
CREATE TABLE oauth_secrets (
  account_id   TEXT    NOT NULL,
  principal_id INTEGER NOT NULL,
  secret_id    TEXT    NOT NULL,
  secret_hash  TEXT    NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  PRIMARY KEY (account_id, principal_id, secret_id),
  FOREIGN KEY (account_id, principal_id) REFERENCES principals (account_id, principal_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',3661278660424738,'3cc471a2-0022-4084-b561-dc80c2715a86','a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32',1795544425711,1858616425711);
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',8084645358601418,'d84391af-0b48-4659-a835-2764642ee76f','09c5aebb67fbd8281d3e45d05bea710f67eceb193cf090327853a6d53a722f29',1795551625759,1858623625759);
INSERT INTO "oauth_secrets" VALUES('e4593c75-3a78-4422-961a-82dc5326cf68',3781368127125493,'6552abdc-74d0-4d7f-804a-b8601206365a','b91f7775520ba92068431a7bd729f988013599126c65aa812726b6dfe744fea5',1795544425797,1858616425797);
CREATE TABLE page_sessions (
  session_hash  TEXT NOT NULL,
  workspace_id  INTEGER NOT NULL,
  account_id    TEXT NOT NULL,
  whole_account INTEGER NOT NULL,
  principal_id  INTEGER NOT NULL,
  -- On the system's clock.
  began_at      INTEGER NOT NULL,
  PRIMARY KEY (session_hash, workspace_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE principals (
  account_id    TEXT    NOT NULL REFERENCES accounts (account_id),
  principal_id  INTEGER NOT NULL,
  workspace_id  INTEGER NOT NULL,
  kind          TEXT    NOT NULL,
  name          TEXT    NOT NULL,
  name_key      TEXT    NOT NULL,
  display_name  TEXT    NOT NULL,
  active        INTEGER NOT NULL,
  account_admin INTEGER NOT NULL,
  external_id   TEXT,
  attributes    TEXT    NOT NULL,
  created_at    INTEGER NOT NULL,
  PRIMARY KEY (account_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',1813388216061737,3274327432743274,'group','outer','outer','outer',1,0,NULL,'{}',1795544425734);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',3661278660424738,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795544425692);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',3826975059727343,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795544425692);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',4096514768177369,3274327432743274,'group','users','users','users',1,0,NULL,'{}',1795544425692);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',5221547819290958,0,'user','ann@example.com','ann@example.com','Ann',1,0,NULL,'{"emails":[{"value":"ann@example.com","type":"work","primary":true}]}',1795544425730);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',7835384286709058,3274327432743274,'group','inner','inner','inner',1,0,NULL,'{}',1795544425732);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8084645358601418,0,'service_principal','9a4d0e11-7988-408d-ad47-e4783daaef26','9a4d0e11-7988-408d-ad47-e4783daaef26','robot',1,0,NULL,'{}',1795544425724);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8150683255991898,0,'service_principal','90a4be42-fa54-42f7-859e-a7944c7711d9','90a4be42-fa54-42f7-859e-a7944c7711d9','locked out',1,0,NULL,'{}',1795544425728);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8396434546769540,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795544425692);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8571850032536889,3274327432743274,'group','admins','admins','admins',1,0,NULL,'{}',1795544425692);
INSERT INTO "principals" VALUES('e4593c75-3a78-4422-961a-82dc5326cf68',1065118259413181,42,'group','admins','admins','admins',1,0,NULL,'{}',1795544425797);
INSERT INTO "principals" VALUES('e4593c75-3a78-4422-961a-82dc5326cf68',3498797122754352,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795544425797);
INSERT INTO "principals" VALUES('e4593c75-3a78-4422-961a-82dc5326cf68',3781368127125493,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795544425797);
INSERT INTO "principals" VALUES('e4593c75-3a78-4422-961a-82dc5326cf68',5286090850421768,42,'group','users','users','users',1,0,NULL,'{}',1795544425797);
INSERT INTO "principals" VALUES('e4593c75-3a78-4422-961a-82dc5326cf68',5520957098303030,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795544425797);
CREATE TABLE rule_sets (
  account_id    TEXT NOT NULL REFERENCES accounts (account_id),
  rule_set_name TEXT NOT NULL,
  grant_rules   TEXT NOT NULL,
  etag          TEXT NOT NULL,
  PRIMARY KEY (account_id, rule_set_name)
) STRICT, WITHOUT ROWID;
CREATE TABLE sign_ins (
  sign_in_id     TEXT    NOT NULL,
  -- The workspace that it is for, or whose clock it goes by where it is for the whole account.
  workspace_id   INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  account_id     TEXT    NOT NULL,
  whole_account  INTEGER NOT NULL,
  client_id      TEXT    NOT NULL,
  redirect_uri   TEXT    NOT NULL,
  client_state   TEXT,
  scope          TEXT    NOT NULL,
  code_challenge TEXT    NOT NULL,
  -- 'asked', 'approved' (there is a code) or 'redeemed' (there are tokens).
  stage          TEXT    NOT NULL,
  principal_id   INTEGER,
  secret_hash    TEXT    NOT NULL,
  -- The newest refresh token's; NULL where there is none.
  turn_hash      TEXT,
  expires_at     INTEGER NOT NULL,
  PRIMARY KEY (sign_in_id, workspace_id),
  FOREIGN KEY (account_id, principal_id) REFERENCES principals (account_id, principal_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO "sign_ins" VALUES('98dec956-06af-4910-a8b2-2f51e6d10280',3274327432743274,'32743274-3274-4274-8274-327432743274',0,'databricks-cli','http://localhost:8020','s','offline_access all-apis','y5UF_tmp_ICTDGza-Ou2vUvx2cu7DBN-Xwf_z0RDfTw','redeemed',8396434546769540,'b5610d32dec1883ace0424083cc3863cbd4651f484d6a75406d82f327f72e43f','b547aec8be5f175518c26ea974f256d8e8bc1dba63ba616d6cfd1b08c57707c3',1796156425821);
CREATE TABLE token_acl (
  workspace_id     INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id     INTEGER NOT NULL,
  permission_level TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "token_acl" VALUES(42,5286090850421768,'CAN_USE');
INSERT INTO "token_acl" VALUES(3274327432743274,1813388216061737,'CAN_USE');
CREATE TABLE tokens (
  token_id            TEXT    NOT NULL,
  workspace_id        INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  owner_id            INTEGER NOT NULL,
  created_by_id       INTEGER NOT NULL,
  created_by_username TEXT    NOT NULL,
  comment             TEXT    NOT NULL,
  creation_time       INTEGER NOT NULL,
  expiry_time         INTEGER,
  last_used_at        INTEGER,
  last_client         TEXT,
  -- max(last use, creation): where the 90 days without use begin.
  idle_from           INTEGER NOT NULL,
  scopes              TEXT,
  autoscope_state     TEXT,
  inferred_scopes     TEXT,
  PRIMARY KEY (token_id, workspace_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "tokens" VALUES('1c2e03c2e8a608bf24d2795e4b2b9ab45d40fa344acd4ad7af10a5cccb0ce6d8',3274327432743274,8084645358601418,8396434546769540,'admin@example.com','of the robot',1795544425739,1798136425739,NULL,NULL,1795544425739,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('3b84b7aaaea740301f05ae00ee1c7ec55b08db76c38f9e2e9a5d58d31dce3dc6',3274327432743274,8396434546769540,8396434546769540,'admin@example.com','scoped',1795551625757,1800735625757,NULL,NULL,1795551625757,'["sql"]','AUTOSCOPE_STATE_USER_SELECTED',NULL);
INSERT INTO "tokens" VALUES('446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d',42,3498797122754352,3498797122754352,'admin@example.com','dapi-mock admin token',1795544425797,1858616425797,1795544425800,'Python-urllib/3.11',1795544425800,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('8f9fe7aae21f3fa5a4ed7e2baf1d19bb2295b966e23251b7846cebf24ca62dfb',3274327432743274,8396434546769540,8396434546769540,'admin@example.com','with ''quotes'' and ünïcode',1795551625755,1799871625755,NULL,NULL,1795551625755,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('c26f74f2f1440f63d3a971ea073681729ac03b3ba4a90f6ee759b268ce08bf8e',3274327432743274,8150683255991898,8396434546769540,'admin@example.com','locked out',1795544425741,1798136425741,NULL,NULL,1795544425741,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0',3274327432743274,8396434546769540,8396434546769540,'admin@example.com','dapi-mock admin token',1795544425710,1858616425710,1795551625755,'Python-urllib/3.11',1795551625755,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('ce11eca04180707f3a2160ba1a9814a0aab789bcdbc54e82fe530329d77e7d8c',42,3498797122754352,3498797122754352,'admin@example.com','kept',1795544425800,1858616425800,NULL,NULL,1795544425800,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('d33d646473e737cea09e125fc59da40bd82d430e5f6577b02c7eaccc15a56eba',3274327432743274,8396434546769540,8396434546769540,'admin@example.com','short',1795544425744,1795548025744,NULL,NULL,1795544425744,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('e08263d83b69daa09fbc7e0e42b934738b5c38c8a8aee9bb571ec7201a402006',42,3498797122754352,3498797122754352,'admin@example.com','after',1795544425811,1858616425811,NULL,NULL,1795544425811,NULL,NULL,NULL);
CREATE TABLE tombstones (
  token_id            TEXT    NOT NULL,
  workspace_id        INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  owner_id            INTEGER NOT NULL,
  created_by_id       INTEGER NOT NULL,
  created_by_username TEXT    NOT NULL,
  comment             TEXT    NOT NULL,
  creation_time       INTEGER NOT NULL,
  expiry_time         INTEGER,
  last_used_at        INTEGER,
  last_client         TEXT,
  ended_at            INTEGER NOT NULL,
  cause               TEXT    NOT NULL,
  actor               TEXT    NOT NULL,
  PRIMARY KEY (token_id, workspace_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "tombstones" VALUES('f2cd1fb73f074090b0635b161530d7eae1f84b8569949122aa49b975fd7f0214',3274327432743274,8396434546769540,8396434546769540,'admin@example.com','revoked',1795544425746,1858616425746,NULL,NULL,1795544425748,'revoked_by_owner','admin@example.com');
CREATE TABLE workspace_assignments (
  workspace_id INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id INTEGER NOT NULL,
  active       INTEGER NOT NULL,
  entitlements TEXT    NOT NULL,
  roles        TEXT    NOT NULL, direct INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_assignments" VALUES(42,1065118259413181,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,3498797122754352,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,3781368127125493,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,5286090850421768,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,5520957098303030,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,1813388216061737,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,3661278660424738,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,3826975059727343,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,4096514768177369,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,5221547819290958,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,7835384286709058,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8084645358601418,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8150683255991898,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8396434546769540,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8571850032536889,1,'[]','[]',1);
CREATE TABLE workspace_conf (
  workspace_id   INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  conf_key       TEXT    NOT NULL,
  conf_value     TEXT    NOT NULL,
  -- What applies before effective_at (propagation delay); NULL when it was unset.
  previous_value TEXT,
  effective_at   INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, conf_key)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_conf" VALUES(3274327432743274,'maxTokenLifetimeDays','60',NULL,1795544425750);
CREATE TABLE workspace_settings (
  workspace_id  INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  setting_name  TEXT    NOT NULL,
  setting_value TEXT    NOT NULL,
  etag          TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, setting_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_settings" VALUES(3274327432743274,'restrict_workspace_admins','RESTRICT_TOKENS_AND_JOB_RUN_AS','5432b80b-34f5-40e2-9c72-092db9c22787');
CREATE TABLE workspaces (
  workspace_id    INTEGER NOT NULL PRIMARY KEY,
  account_id      TEXT    NOT NULL REFERENCES accounts (account_id),
  name            TEXT    NOT NULL,
  deployment_name TEXT    NOT NULL,
  created_at      INTEGER NOT NULL,
  is_default      INTEGER NOT NULL,
  admins_group_id INTEGER NOT NULL,
  users_group_id  INTEGER NOT NULL,
  -- 'real', 'offset' (clock_value is added to the system time) or 'frozen' (clock_value is the time).
  clock_mode      TEXT    NOT NULL,
  clock_value     INTEGER NOT NULL,
  -- Behaviour of the mock itself (plan tier, cloud, what losing CAN_USE does …) as JSON.
  behaviour       TEXT    NOT NULL
, delete_at INTEGER, entropy_seed INTEGER, entropy_drawn INTEGER NOT NULL DEFAULT 0, incarnation INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "workspaces" VALUES(42,'e4593c75-3a78-4422-961a-82dc5326cf68','workspace-42','workspace-42',1795544425797,0,1065118259413181,5286090850421768,'real',0,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}',NULL,NULL,0,7561423844598001);
INSERT INTO "workspaces" VALUES(3274327432743274,'32743274-3274-4274-8274-327432743274','dapi-mock','dapi-mock',1795544425692,1,8571850032536889,4096514768177369,'offset',7200000,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}',NULL,NULL,0,8290803267597644);
CREATE UNIQUE INDEX principals_by_name ON principals (account_id, workspace_id, kind, name_key);
CREATE INDEX group_members_by_member ON group_members (account_id, member_id);
CREATE INDEX tokens_by_owner ON tokens (workspace_id, owner_id, creation_time, token_id);
CREATE INDEX tokens_by_idle ON tokens (workspace_id, idle_from);
CREATE INDEX tombstones_by_time ON tombstones (workspace_id, ended_at);
CREATE INDEX audit_events_by_workspace ON audit_events (workspace_id, sequence);
CREATE INDEX principals_by_client_id ON principals (kind, name_key);
CREATE INDEX oauth_keys_by_age ON oauth_keys (account_id, created_at, kid);
CREATE INDEX sign_ins_by_expiry ON sign_ins (workspace_id, expires_at, sign_in_id);
CREATE INDEX tokens_by_creation ON tokens (workspace_id, creation_time, token_id);
CREATE INDEX tokens_by_expiry ON tokens (workspace_id, COALESCE(expiry_time, 9223372036854775807), token_id);
CREATE INDEX tokens_by_last_use ON tokens (workspace_id, COALESCE(last_used_at, -9223372036854775807), token_id,
  owner_id, creation_time, expiry_time, last_used_at, idle_from);
CREATE UNIQUE INDEX principals_of_account_by_name ON principals (account_id, name_key, principal_id);
CREATE INDEX checkpoint_rows_by_name ON checkpoint_rows (workspace_id, checkpoint_name, table_name);
CREATE INDEX page_sessions_by_age ON page_sessions (began_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit_events',31);
COMMIT;
