-- {"users": ["ann@example.com"], "groups": {"inner": ["3899699837435820", "8918815303931574"], "outer": ["2704078361808396"]}, "robot": {"value": "dapi935c1a61d638f5afc96165d6bcf0d3e8", "id": "642ae16b9fab532ce63a1a65b724d4e828a23c01e958dfefb6f5a3af05b76009"}, "suspended": {"value": "dapifc01469c8979fd08d2a775b25ae92713", "id": "59e69257cb26b60d49dd8661438d4e38029cc0927c7542ecc5691a1c61a3e75e"}, "expired": {"value": "dapi19cfb9a45ab6175b17c8fa4f9c31b0dd", "id": "7a3968a0903e4edce3022cb56d7091010781020aab3d4b32b97c2a985a29aaa2"}, "revoked": {"value": "dapi4183e43c52692f86995d52d5436a5968", "id": "695520ff950e81bc2343756ec74f12f8cac88a348f047b614f6b799a2fcab0c3"}, "conf": {"maxTokenLifetimeDays": "60"}, "live": {"value": "dapi759f19e7b483012cf8955eb1c6008525", "id": "3316dbf2d381b47d7a6a096763715d55b4a0953db459b75d8f0f9d80223b36ea"}, "scoped": {"value": "dapi361b25f8610cae06f0ebe722e4135f99", "id": "77a236db0aaa3a7fcba33542aa9a59cb40d541f9c93ce36d04eb1ee1904a8128"}, "client": ["408dab38-c542-4f8d-95e9-98536a11ab17", "dose6485bb3f5a03e06ec2e9e80b799b2f8c"], "access_token": "eyJraWQiOiJiOTMzODc4NDBkOWY5YzJmODZiZDcwODMyMWNjZjViMTYxNzg5NjZjMTQ5YmJlOWIwZWI1YWZjYTU0NzI5NjE0IiwidHlwIjoiYXQrand0IiwiYWxnIjoiUlMyNTYifQ.eyJjbGllbnRfaWQiOiI0MDhkYWIzOC1jNTQyLTRmOGQtOTVlOS05ODUzNmExMWFiMTciLCJzY29wZSI6ImFsbC1hcGlzIiwiaXNzIjoiaHR0cDovLzEyNy4wLjAuMTozNjY3MS9vaWRjIiwiYXVkIjoiMzI3NDMyNzQzMjc0MzI3NCIsInN1YiI6IjQwOGRhYjM4LWM1NDItNGY4ZC05NWU5LTk4NTM2YTExYWIxNyIsImlhdCI6MTc5NTUzNjk4OSwiZXhwIjoxNzk1NTQwNTg5LCJqdGkiOiJkYTcyYmFkMS05ZGRiLTRmZWQtOGQzNS0wZjE1ZjEwMTQ2OWYifQ.PAVenCBpf8Usax4tSxKyKacS51nfSOofWURJjfz4IF8aJeSQD3ESNoXyB1yI3bW5uMADauSzs50sh27EV-XdPI4-OjkTWfOT_JlKXJiL8BEbfj2sIIkmvLMpG6obPwLehGK7VK0vOmPTI2XY4Wv0co-9qd_0mPhbSsSNiTIwKJ1lzJV-gNazou0UySG8s4hRrc4PErTtpRV9gq5qdDxugkBNSr5MOJWRkqHDNd7MqLT18zLtI9h_8xRjjO2_C17yoV2j7jW42B08scEJQ7UQ8TNnR6j13q2cSIurWGeNQfdZo1KxdkeXNtuJdMmPPXOupjr1XEcpKV5C4qXPk0qjdQ", "setting": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "checkpoint": {"kept": "dapib984a52b089180e3af3137531e42c952", "lost": "dapiab267c136c27ec788e523fb52fdf06f0"}, "decoy": "dapif62d75f1e72ac11b2f25d1e5d15f06f0", "fault": "/api/2.0/token/list", "refresh_token": "dort21b5c78e716941b6ab110335006e790fdca1446cf93d59b879fa2a9b5a00cb2cd0240000adf6af310f4f4303c8ad06c3", "audit_events": 28, "made_at": 1795529789391}
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
INSERT INTO "_sqlx_migrations" VALUES(1,'init','2026-11-24 14:16:29',1,X'981439543882C3FB1DE3D3AA4716A6208DD9611E2D48D86FA3CC35F0CA5CA6742EDEEA0188E57599BCD4971037026B42',967913);
INSERT INTO "_sqlx_migrations" VALUES(2,'oauth','2026-11-24 14:16:29',1,X'77D0503C26CA224047803B819A9EA5663A33EF1E291FB41C2D60B60CB1DA953D25C6BF71D65ED89CA85AECC529A00027',317994);
INSERT INTO "_sqlx_migrations" VALUES(3,'settings','2026-11-24 14:16:29',1,X'6F7B1CDA212365348C1CAC21FBB20B25FF88804DC6172E8B629BBE39A85F19719D51BCB9DB9A07F3F2757288B898A058',211165);
INSERT INTO "_sqlx_migrations" VALUES(4,'sign in','2026-11-24 14:16:29',1,X'6F3CD001B411185F9BB278458A3377E79F23656E19BEF0F0F7E90817424EAA0C3BD8BA475BB82DE1D24E34BF50B49B6A',184334);
INSERT INTO "_sqlx_migrations" VALUES(5,'account','2026-11-24 14:16:29',1,X'DD03D837E99211F95C8CBB13F8679DE062C81CB893AC2D8729CD12831B50C21FA67C19CAC6C66604D0E0E74EAF39984A',525814);
INSERT INTO "_sqlx_migrations" VALUES(6,'token report','2026-11-24 14:16:29',1,X'D686BE899BB408A853C1C3926F1DB5C8921CDA28685BA0C95735D876ADF1AB481A5B5A14C676D39D86C5837683834682',320839);
INSERT INTO "_sqlx_migrations" VALUES(7,'worlds','2026-11-24 14:16:29',1,X'701D37E6D8DEF51D16BDA9A2D635D35A1DEBB7E3789B35E5FBD6D397B205DA562A01056FF62A8616D11DEC97DABA60FB',822086);
INSERT INTO "_sqlx_migrations" VALUES(8,'faults','2026-11-24 14:16:29',1,X'250DBCF31BFA14A7E3D4EE1B4F1C3501E5598B45D85FA64787B6481FAAD2F23B822CB978CDCC01AB4F1AA01E6584D9BD',153639);
INSERT INTO "_sqlx_migrations" VALUES(9,'decoys','2026-11-24 14:16:29',1,X'066CFC4EEEE096DD9CF7108C1E08BDEBE5F2BBEFAB9F11AA9C583A0EB92CDD1E3B233DFF6D24F56B1417B4A1D64DDCC7',152808);
CREATE TABLE accounts (
  account_id TEXT NOT NULL PRIMARY KEY,
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "accounts" VALUES('32743274-3274-4274-8274-327432743274',1795529789175);
INSERT INTO "accounts" VALUES('a1a535a0-90c9-4d8a-8724-ac232baefc59',1795529789371);
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
INSERT INTO "audit_events" VALUES(1,3274327432743274,'33a3d9d3-be46-42de-9a78-b10853042c44',1795529789188,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','669f5c56-ee38-4b4b-8334-91aa745cb68d','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(2,3274327432743274,'431bf4d6-9248-490c-9058-53e528b34007',1795529789188,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','669f5c56-ee38-4b4b-8334-91aa745cb68d','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"3899699837435820","targetUserName":"408dab38-c542-4f8d-95e9-98536a11ab17"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(3,3274327432743274,'a7a87494-3508-474f-8723-242fc891dfea',1795529789192,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','57df853f-4fd2-4908-b520-77776d42a191','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"1496923969429304","targetUserName":"55e3aa10-19a9-4035-b10c-37a098078986"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(4,3274327432743274,'17b5431d-4e49-4681-9e63-b58f7447dcd3',1795529789195,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','d0fe67f4-1dea-4dcc-a005-55df7151dec9','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"8918815303931574","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(5,3274327432743274,'3b0bd831-26fc-496f-b3fa-8a2a8e271777',1795529789197,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','588842ea-eb86-4de2-904d-2fc61331923d','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"2704078361808396","targetGroupName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(6,3274327432743274,'30b48217-e138-469b-a1ad-04ac89b037db',1795529789197,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','588842ea-eb86-4de2-904d-2fc61331923d','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"2704078361808396","targetGroupName":"inner","targetUserId":"3899699837435820","targetUserName":"408dab38-c542-4f8d-95e9-98536a11ab17"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(7,3274327432743274,'fd5b1296-4003-415a-8577-28977588d26d',1795529789197,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','588842ea-eb86-4de2-904d-2fc61331923d','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"2704078361808396","targetGroupName":"inner","targetUserId":"8918815303931574","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(8,3274327432743274,'b5671154-9d88-43a5-a876-01c54de016fd',1795529789200,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','6384187c-ccb5-4b27-98f8-5dd7fcf7ad3f','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"8324406412881554","targetGroupName":"outer"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(9,3274327432743274,'f288568c-1e17-43c2-88e7-c1f71e7fee76',1795529789200,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','6384187c-ccb5-4b27-98f8-5dd7fcf7ad3f','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"8324406412881554","targetGroupName":"outer","targetUserId":"2704078361808396","targetUserName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(10,3274327432743274,'b5a08804-6c11-4a2b-9748-bbb32ee4f40d',1795529789202,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','94b29100-2b42-472c-a721-2596fff3d642','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"1496923969429304"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(11,3274327432743274,'25facec6-35a9-4cca-b353-711f2e566e54',1795529789202,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','94b29100-2b42-472c-a721-2596fff3d642','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"8324406412881554"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(12,3274327432743274,'4ceb7621-79ec-42ea-92f1-8deb4bc3af96',1795529789205,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','e1565d2f-37c8-416e-b5b9-3a16a7b62a22','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3533440282621015","tokenExpirationTime":"1798121789205","tokenHash":"642ae16b9fab532ce63a1a65b724d4e828a23c01e958dfefb6f5a3af05b76009","tokenId":"642ae16b9fab532ce63a1a65b724d4e828a23c01e958dfefb6f5a3af05b76009","userId":"3899699837435820"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(13,3274327432743274,'152741c0-fe37-4388-893f-8a574d197bb8',1795529789207,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','1006f9f6-9f7f-404e-88d5-734aa25b0032','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3533440282621015","tokenExpirationTime":"1798121789207","tokenHash":"59e69257cb26b60d49dd8661438d4e38029cc0927c7542ecc5691a1c61a3e75e","tokenId":"59e69257cb26b60d49dd8661438d4e38029cc0927c7542ecc5691a1c61a3e75e","userId":"1496923969429304"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(14,3274327432743274,'a45e469a-0f61-4dda-8461-eec37b117fdf',1795529789209,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','ec5dc954-22c5-4dd6-9a4d-4fc0d7d88ba5','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"1496923969429304"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(15,3274327432743274,'436a3f21-13cf-4384-a140-7d0b1a903f9b',1795529789209,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','ec5dc954-22c5-4dd6-9a4d-4fc0d7d88ba5','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"6853299183125644"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(16,3274327432743274,'6e47734b-c1ed-4006-9065-c5f7e133d014',1795529789211,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','34069977-363e-4ddc-9d59-190a2810c0ee','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3533440282621015","tokenExpirationTime":"1795533389211","tokenHash":"7a3968a0903e4edce3022cb56d7091010781020aab3d4b32b97c2a985a29aaa2","tokenId":"7a3968a0903e4edce3022cb56d7091010781020aab3d4b32b97c2a985a29aaa2","userId":"3533440282621015"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(17,3274327432743274,'81ff151c-74e3-4de4-aee4-55d15d3249e9',1795529789213,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','5ce59184-9772-46f5-ac52-6fea46595588','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3533440282621015","tokenExpirationTime":"1858601789213","tokenHash":"695520ff950e81bc2343756ec74f12f8cac88a348f047b614f6b799a2fcab0c3","tokenId":"695520ff950e81bc2343756ec74f12f8cac88a348f047b614f6b799a2fcab0c3","userId":"3533440282621015"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(18,3274327432743274,'9dd6f797-f8aa-4e6e-a68b-8eae1bb3bc18',1795529789215,'32743274-3274-4274-8274-327432743274','accounts','revokeDbToken','admin@example.com','891349ab-d9e0-48cf-8582-1f148ef53112','127.0.0.1','Python-urllib/3.11','{"tokenHash":"695520ff950e81bc2343756ec74f12f8cac88a348f047b614f6b799a2fcab0c3","tokenId":"695520ff950e81bc2343756ec74f12f8cac88a348f047b614f6b799a2fcab0c3","userId":"3533440282621015"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(19,3274327432743274,'68622855-5f86-4faa-b52b-d09d44e75005',1795529789217,'32743274-3274-4274-8274-327432743274','workspace','workspaceConfEdit','admin@example.com','b59aec76-0709-4609-b075-09f473d176b3','127.0.0.1','Python-urllib/3.11','{"workspaceConfKeys":"maxTokenLifetimeDays","workspaceConfValues":"60"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(20,3274327432743274,'e4b85416-2059-498c-9682-a4f6be83775e',1795536989222,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','fa04ccea-b714-4a2f-bff9-0513b35fccfb','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(21,3274327432743274,'5665853b-8b7d-489d-9b21-5871be75877a',1795536989222,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','fa04ccea-b714-4a2f-bff9-0513b35fccfb','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3533440282621015","tokenExpirationTime":"1799856989222","tokenHash":"3316dbf2d381b47d7a6a096763715d55b4a0953db459b75d8f0f9d80223b36ea","tokenId":"3316dbf2d381b47d7a6a096763715d55b4a0953db459b75d8f0f9d80223b36ea","userId":"3533440282621015"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(22,3274327432743274,'e8a9e641-07ad-478c-bc55-5e2d927efa41',1795536989224,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','e6dcf2c0-963a-4daa-8d17-6f61b3c35e00','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3533440282621015","tokenExpirationTime":"1800720989224","tokenHash":"77a236db0aaa3a7fcba33542aa9a59cb40d541f9c93ce36d04eb1ee1904a8128","tokenId":"77a236db0aaa3a7fcba33542aa9a59cb40d541f9c93ce36d04eb1ee1904a8128","userId":"3533440282621015"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(23,3274327432743274,'10562706-22ab-4e9d-b84d-2767fa985172',1795536989226,'32743274-3274-4274-8274-327432743274','servicePrincipalCredentials','create','admin@example.com','89559dfb-9f23-4533-9399-384e977481ea','127.0.0.1','Python-urllib/3.11','{"secret_id":"bbeec3e5-4b89-42e5-9ea7-caf10baa0b86","service_principal":"3899699837435820"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(24,3274327432743274,'095a46a6-b2d9-4640-90ab-a50d5de97d30',1795536989229,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','408dab38-c542-4f8d-95e9-98536a11ab17','e9985b02-8f20-4b98-9143-d2354a16f39d','127.0.0.1','Python-urllib/3.11','{"client_id":"408dab38-c542-4f8d-95e9-98536a11ab17","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(25,3274327432743274,'0f6af888-76ed-4a7c-a515-cf2bdb8dc8a9',1795536989344,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','32743274-3274-4274-8274-327432743275','03da49e1-cdd7-460f-9466-e300cc0a0061','127.0.0.1','Python-urllib/3.11','{"client_id":"32743274-3274-4274-8274-327432743275","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(26,3274327432743274,'d0e4b71c-1c81-4e86-82b8-a34d47c303e4',1795536989359,'32743274-3274-4274-8274-327432743274','accounts','setSetting','32743274-3274-4274-8274-327432743275','2dc6c815-ef47-4412-ad89-17654a624027','127.0.0.1','Python-urllib/3.11','{"settingTypeName":"restrict_workspace_admins","settingValueForAudit":"RESTRICT_TOKENS_AND_JOB_RUN_AS"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(27,42,'bd7909d1-1495-4611-82b5-fb0961fbaf3d',1795529789375,'a1a535a0-90c9-4d8a-8724-ac232baefc59','accounts','tokenLogin','admin@example.com','61615852-d13a-4eb6-8890-da0381ec9e8e','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(28,42,'fb805a22-244e-44a5-8574-24a3b3fbbfe3',1795529789375,'a1a535a0-90c9-4d8a-8724-ac232baefc59','accounts','generateDbToken','admin@example.com','61615852-d13a-4eb6-8890-da0381ec9e8e','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"5401906532405508","tokenExpirationTime":"1858601789375","tokenHash":"dbb905778dd736123a5df8b63fe26694092fd1d284bb39a31b7bd5d66d8eb4d0","tokenId":"dbb905778dd736123a5df8b63fe26694092fd1d284bb39a31b7bd5d66d8eb4d0","userId":"5401906532405508"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(29,42,'7312ee6d-ea23-4250-9c9e-a567a89adfe5',1795529789379,'a1a535a0-90c9-4d8a-8724-ac232baefc59','accounts','generateDbToken','admin@example.com','5fcd4c69-5ed0-41f8-b56a-917cd7dbfe0d','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"5401906532405508","tokenExpirationTime":"1858601789379","tokenHash":"7c4b685629ab195c7fb7c575b69eca339e9d364743b882cfbbd43f4c35bfe27c","tokenId":"7c4b685629ab195c7fb7c575b69eca339e9d364743b882cfbbd43f4c35bfe27c","userId":"5401906532405508"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(30,3274327432743274,'96d15b48-4a8e-4296-acae-28760ed8bc1a',1795536989384,'32743274-3274-4274-8274-327432743274','accounts','oidcBrowserLogin','admin@example.com','230cc847-3c6e-41b4-9578-a21464096747','127.0.0.1','Python-urllib/3.11','{"user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(31,3274327432743274,'9740f364-97a8-4f0b-8cf2-8e84cc8103fa',1795536989387,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','admin@example.com','66a3a5af-92f9-451e-8827-f15ab1b4e86f','127.0.0.1','Python-urllib/3.11','{"client_id":"databricks-cli","expires_in":"3600","grant_type":"authorization_code","scope":"offline_access all-apis"}',200,NULL,0);
CREATE TABLE checkpoint_rows (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  table_name      TEXT    NOT NULL,
  is_account      INTEGER NOT NULL,
  content         TEXT    NOT NULL
) STRICT;
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspaces',0,'{"workspace_id":3274327432743274,"account_id":"32743274-3274-4274-8274-327432743274","name":"dapi-mock","deployment_name":"dapi-mock","created_at":1795529789175,"is_default":1,"admins_group_id":1669794859005600,"users_group_id":6853299183125644,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":1669794859005600,"workspace_id":3274327432743274,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795529789175}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":6853299183125644,"workspace_id":3274327432743274,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795529789175}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":3533440282621015,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795529789175}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":8246190349934868,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795529789175}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":8485937648518569,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795529789175}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":1669794859005600,"member_id":3533440282621015}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":1669794859005600,"member_id":8485937648518569}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":1669794859005600,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":3533440282621015,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":6853299183125644,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":8246190349934868,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":8485937648518569,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','token_acl',0,'{"workspace_id":3274327432743274,"principal_id":6853299183125644,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','tokens',0,'{"token_id":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","workspace_id":3274327432743274,"owner_id":3533440282621015,"created_by_id":3533440282621015,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795529789176,"expiry_time":1858601789176,"last_used_at":null,"last_client":null,"idle_from":1795529789176,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','oauth_secrets',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":8485937648518569,"secret_id":"28e2023d-b307-4594-9cf5-29dcf1b999db","secret_hash":"a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32","created_at":1795529789176,"expires_at":1858601789176}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspaces',0,'{"workspace_id":42,"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","name":"workspace-42","deployment_name":"workspace-42","created_at":1795529789371,"is_default":0,"admins_group_id":5037329314591400,"users_group_id":4481415552829387,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","principal_id":4481415552829387,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795529789371}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","principal_id":5037329314591400,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795529789371}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","principal_id":1681850798385410,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795529789371}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","principal_id":5401906532405508,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795529789371}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","principal_id":5911651978740422,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795529789371}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","group_id":5037329314591400,"member_id":1681850798385410}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","group_id":5037329314591400,"member_id":5401906532405508}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":1681850798385410,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":4481415552829387,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":5037329314591400,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":5401906532405508,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":5911651978740422,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','token_acl',0,'{"workspace_id":42,"principal_id":4481415552829387,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":5401906532405508,"created_by_id":5401906532405508,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795529789372,"expiry_time":1858601789372,"last_used_at":null,"last_client":null,"idle_from":1795529789372,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','oauth_secrets',1,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","principal_id":1681850798385410,"secret_id":"ad1bfaf9-0d10-49f4-b6cd-01f02d65a9fb","secret_hash":"650593c4cb4bf32c0e1a09beab0aa88c8722fa445e994965fd3243092c6cd701","created_at":1795529789372,"expires_at":1858601789372}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspaces',0,'{"workspace_id":42,"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","name":"workspace-42","deployment_name":"workspace-42","created_at":1795529789371,"is_default":0,"admins_group_id":5037329314591400,"users_group_id":4481415552829387,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","principal_id":4481415552829387,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795529789371}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","principal_id":5037329314591400,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795529789371}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","principal_id":1681850798385410,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795529789371}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","principal_id":5401906532405508,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795529789371}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","principal_id":5911651978740422,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795529789371}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","group_id":5037329314591400,"member_id":1681850798385410}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","group_id":5037329314591400,"member_id":5401906532405508}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":1681850798385410,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":4481415552829387,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":5037329314591400,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":5401906532405508,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":5911651978740422,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','token_acl',0,'{"workspace_id":42,"principal_id":4481415552829387,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":5401906532405508,"created_by_id":5401906532405508,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795529789372,"expiry_time":1858601789372,"last_used_at":1795529789375,"last_client":"Python-urllib/3.11","idle_from":1795529789375,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"dbb905778dd736123a5df8b63fe26694092fd1d284bb39a31b7bd5d66d8eb4d0","workspace_id":42,"owner_id":5401906532405508,"created_by_id":5401906532405508,"created_by_username":"admin@example.com","comment":"kept","creation_time":1795529789375,"expiry_time":1858601789375,"last_used_at":null,"last_client":null,"idle_from":1795529789375,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":27,"workspace_id":42,"event_id":"bd7909d1-1495-4611-82b5-fb0961fbaf3d","event_time":1795529789375,"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","service_name":"accounts","action_name":"tokenLogin","actor":"admin@example.com","request_id":"61615852-d13a-4eb6-8890-da0381ec9e8e","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"authenticationMethod\":\"API_EXT_PAT_TOKEN\",\"tokenId\":\"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d\",\"user\":\"admin@example.com\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":28,"workspace_id":42,"event_id":"fb805a22-244e-44a5-8574-24a3b3fbbfe3","event_time":1795529789375,"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","service_name":"accounts","action_name":"generateDbToken","actor":"admin@example.com","request_id":"61615852-d13a-4eb6-8890-da0381ec9e8e","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"tokenCreatedBy\":\"5401906532405508\",\"tokenExpirationTime\":\"1858601789375\",\"tokenHash\":\"dbb905778dd736123a5df8b63fe26694092fd1d284bb39a31b7bd5d66d8eb4d0\",\"tokenId\":\"dbb905778dd736123a5df8b63fe26694092fd1d284bb39a31b7bd5d66d8eb4d0\",\"userId\":\"5401906532405508\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','oauth_secrets',1,'{"account_id":"a1a535a0-90c9-4d8a-8724-ac232baefc59","principal_id":1681850798385410,"secret_id":"ad1bfaf9-0d10-49f4-b6cd-01f02d65a9fb","secret_hash":"650593c4cb4bf32c0e1a09beab0aa88c8722fa445e994965fd3243092c6cd701","created_at":1795529789372,"expires_at":1858601789372}');
CREATE TABLE checkpoints (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  created_at      INTEGER NOT NULL,
  has_account     INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, checkpoint_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "checkpoints" VALUES(42,'before',1795529789377,1);
INSERT INTO "checkpoints" VALUES(42,'empty',1795529789372,1);
INSERT INTO "checkpoints" VALUES(3274327432743274,'empty',1795529789176,1);
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
INSERT INTO "decoys" VALUES(3274327432743274,'44fa705dcfe3c9f243963b4d16f99c42845fdd93f51c902b094a5301d4dba660','bait',1795536989381,0,NULL,NULL,NULL);
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
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',8324406412881554,2704078361808396);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',1669794859005600,3533440282621015);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',2704078361808396,3899699837435820);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',1669794859005600,8485937648518569);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',2704078361808396,8918815303931574);
INSERT INTO "group_members" VALUES('a1a535a0-90c9-4d8a-8724-ac232baefc59',5037329314591400,1681850798385410);
INSERT INTO "group_members" VALUES('a1a535a0-90c9-4d8a-8724-ac232baefc59',5037329314591400,5401906532405508);
CREATE TABLE oauth_keys (
  kid         TEXT    NOT NULL PRIMARY KEY,
  account_id  TEXT    NOT NULL REFERENCES accounts (account_id),
  -- The RSA modulus as in a JWK; the exponent is 65537.
  modulus     TEXT    NOT NULL,
  -- PKCS#8 in base64.
  private_key TEXT    NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO "oauth_keys" VALUES('b93387840d9f9c2f86bd708321ccf5b16178966c149bbe9b0eb5afca54729614','32743274-3274-4274-8274-327432743274','0JwE5mpLgF6DQIwDtOaYwkQG03MnqzLSXeRrUhBIxoLGAXAmIzOwLl6-PRprqbjmXp9EHvhGfF7gTNu0FEc1PCvOv7NKa9pHszQllKpTLEXYp7JYfiXNG_Dy79Eindew8_ufJw_ZDy8hiT0zrF_CT_59ZHFt1UOQF_fcwaUlI15YFNA6cQcAfaXn2AniuESaloXuIYmwSutWB_0EnfgOZUftT7FegfenXA-VZBN5CtehPej2Qv2jros37PfKpOq65-QhdlsmMOZmPgBulT59xfY4B6GyVPXoXytiMm6nphHsfcIrIxbvBlQwIRWDsSDBg6M9oTSo_B9yLkj2Xfwp9Q','MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDQnATmakuAXoNAjAO05pjCRAbTcyerMtJd5GtSEEjGgsYBcCYjM7AuXr49GmupuOZen0Qe+EZ8XuBM27QURzU8K86/s0pr2kezNCWUqlMsRdinslh+Jc0b8PLv0SKd17Dz+58nD9kPLyGJPTOsX8JP/n1kcW3VQ5AX99zBpSUjXlgU0DpxBwB9pefYCeK4RJqWhe4hibBK61YH/QSd+A5lR+1PsV6B96dcD5VkE3kK16E96PZC/aOuizfs98qk6rrn5CF2WyYw5mY+AG6VPn3F9jgHobJU9ehfK2IybqemEex9wisjFu8GVDAhFYOxIMGDoz2hNKj8H3IuSPZd/Cn1AgMBAAECggEAJSWDIdyPsT4jNR05k770OLOQW5rH145nM1z3V1ea/e5Pf/YOdHpBxyAL1CmePky0iOjnYnRnaMIkQstkl6/OZPaQDEbK28W0us5wWraxtNKDL+lsJJpqma0gNWASP/Umh2uo/XWu+yszV5LUXr92hHQWtAoWusEbKYlzf+/+WvuhFtvAQ0QL23C3lxOqUCNABPYQxlMujQRRqE18p8IDxi5uY/9p4SC6MQhkyY+4+P+WGDaZZCQlWzfaRZSKhnnUi97ZdWddTu4O4yanibi9hRN6OMSqTEPyO7MK5I2B/zC6wymVKZgS1mg6TZhlz0s0fIE4cmVk3CHYNFvWFydEwQKBgQD+rlypTRcFvi5eF7kI0tD7CDIF4sG7I06kCohe844jTI/1nESwWraL2KawPCeBH8O6XxWxwwu1VD8bwj0MioAgOTxl+KihosUVovbSIas3U49gzohYlDxc3AaPCV2mWwclK0gLq1SmgI7Mc6T3kN/ny/RAJBX4zvKYaqFA+RbuXQKBgQDRsJQj37U1aukloxzUuTywyyJWGFlgxXLejTP1AUSXsHiwne5UBqSrr5PDX+SKyjRYEU7d87FRIA0TUSUASRb1o04od2fJQQ8RUGAdKsiZBS3z3ek+AStMFFYJnawsJFR8kIzORtAufsWX2Loiv9d4ztri6PaxMilKHnjBIWOAeQKBgHuapjAo0PahkaFrBAvLPU/Ib3a50eqAPUeSMRNcQ2zQWMIMYK3yqMwAjw3TdBzQDM9kHIRUtFcCF0rin3x5r6tz++NFppokBGD24bGkU5Obg2epdTUAZLdwteIv2nrFjRc2BVZchc31cNi7e6IHdxPpwZZrrRo/XjAo+DAvdDilAoGAaV/ZMiXrhEqTm2xawrPLwfRy7t0RnUXcMea3o3ndpHT0UZ0r9WHZQsXa9aWszepLX65i+brK8r+uknSGqZwRQ6OrVT6cE1D0Z3kCs+WaJPurWg+8dIJV5ceabP6lVRF0u5xQhiCj4ZmnZmVtNKU/fOBGsxzrS6SvhyXE/RjwTdECgYEAsxJxDQQltfPzTYyMKZA6ORY8/zlZwVtugE+j3sHg4JgqIiYDfg4vqc5zGhPhFdr4z9zJZBEwYGcY5TA2lT8PecfKcyWQkXxcoGXeURQHdkypRqoXk1XRve1Kd8w6xBxcZ0h+2qWXs8Ps4YmdQ1HsopWdRLNcMoJvBPyUpUY3jlo=',1795529789338);
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
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',3899699837435820,'bbeec3e5-4b89-42e5-9ea7-caf10baa0b86','3616581503382e1f1d6caaf7c606fc2c92088a61babdf2a1f1109d5dfaea025d',1795536989226,1858608989226);
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',8485937648518569,'28e2023d-b307-4594-9cf5-29dcf1b999db','a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32',1795529789176,1858601789176);
INSERT INTO "oauth_secrets" VALUES('a1a535a0-90c9-4d8a-8724-ac232baefc59',1681850798385410,'ad1bfaf9-0d10-49f4-b6cd-01f02d65a9fb','650593c4cb4bf32c0e1a09beab0aa88c8722fa445e994965fd3243092c6cd701',1795529789372,1858601789372);
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
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',1496923969429304,0,'service_principal','55e3aa10-19a9-4035-b10c-37a098078986','55e3aa10-19a9-4035-b10c-37a098078986','locked out',1,0,NULL,'{}',1795529789193);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',1669794859005600,3274327432743274,'group','admins','admins','admins',1,0,NULL,'{}',1795529789175);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',2704078361808396,3274327432743274,'group','inner','inner','inner',1,0,NULL,'{}',1795529789197);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',3533440282621015,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795529789175);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',3899699837435820,0,'service_principal','408dab38-c542-4f8d-95e9-98536a11ab17','408dab38-c542-4f8d-95e9-98536a11ab17','robot',1,0,NULL,'{}',1795529789189);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',6853299183125644,3274327432743274,'group','users','users','users',1,0,NULL,'{}',1795529789175);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8246190349934868,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795529789175);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8324406412881554,3274327432743274,'group','outer','outer','outer',1,0,NULL,'{}',1795529789200);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8485937648518569,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795529789175);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8918815303931574,0,'user','ann@example.com','ann@example.com','Ann',1,0,NULL,'{"emails":[{"value":"ann@example.com","type":"work","primary":true}]}',1795529789195);
INSERT INTO "principals" VALUES('a1a535a0-90c9-4d8a-8724-ac232baefc59',1681850798385410,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795529789371);
INSERT INTO "principals" VALUES('a1a535a0-90c9-4d8a-8724-ac232baefc59',4481415552829387,42,'group','users','users','users',1,0,NULL,'{}',1795529789371);
INSERT INTO "principals" VALUES('a1a535a0-90c9-4d8a-8724-ac232baefc59',5037329314591400,42,'group','admins','admins','admins',1,0,NULL,'{}',1795529789371);
INSERT INTO "principals" VALUES('a1a535a0-90c9-4d8a-8724-ac232baefc59',5401906532405508,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795529789371);
INSERT INTO "principals" VALUES('a1a535a0-90c9-4d8a-8724-ac232baefc59',5911651978740422,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795529789371);
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
INSERT INTO "sign_ins" VALUES('21b5c78e-7169-41b6-ab11-0335006e790f',3274327432743274,'32743274-3274-4274-8274-327432743274',0,'databricks-cli','http://localhost:8020','s','offline_access all-apis','y5UF_tmp_ICTDGza-Ou2vUvx2cu7DBN-Xwf_z0RDfTw','redeemed',3533440282621015,'5a7dc7ed414232c4f29b1ac5900461290817c6c6d32b25f8c3926e4f64e569f7','d52742d1fd41aa034df8bd8f7c2f0dbb81187e53e6f8d6dc139dcf9ffbcc446f',1796141789387);
CREATE TABLE token_acl (
  workspace_id     INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id     INTEGER NOT NULL,
  permission_level TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "token_acl" VALUES(42,4481415552829387,'CAN_USE');
INSERT INTO "token_acl" VALUES(3274327432743274,8324406412881554,'CAN_USE');
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
INSERT INTO "tokens" VALUES('3316dbf2d381b47d7a6a096763715d55b4a0953db459b75d8f0f9d80223b36ea',3274327432743274,3533440282621015,3533440282621015,'admin@example.com','with ''quotes'' and ünïcode',1795536989222,1799856989222,NULL,NULL,1795536989222,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d',42,5401906532405508,5401906532405508,'admin@example.com','dapi-mock admin token',1795529789372,1858601789372,1795529789375,'Python-urllib/3.11',1795529789375,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('59e69257cb26b60d49dd8661438d4e38029cc0927c7542ecc5691a1c61a3e75e',3274327432743274,1496923969429304,3533440282621015,'admin@example.com','locked out',1795529789207,1798121789207,NULL,NULL,1795529789207,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('642ae16b9fab532ce63a1a65b724d4e828a23c01e958dfefb6f5a3af05b76009',3274327432743274,3899699837435820,3533440282621015,'admin@example.com','of the robot',1795529789205,1798121789205,NULL,NULL,1795529789205,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('77a236db0aaa3a7fcba33542aa9a59cb40d541f9c93ce36d04eb1ee1904a8128',3274327432743274,3533440282621015,3533440282621015,'admin@example.com','scoped',1795536989224,1800720989224,NULL,NULL,1795536989224,'["sql"]','AUTOSCOPE_STATE_USER_SELECTED',NULL);
INSERT INTO "tokens" VALUES('7a3968a0903e4edce3022cb56d7091010781020aab3d4b32b97c2a985a29aaa2',3274327432743274,3533440282621015,3533440282621015,'admin@example.com','short',1795529789211,1795533389211,NULL,NULL,1795529789211,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('7c4b685629ab195c7fb7c575b69eca339e9d364743b882cfbbd43f4c35bfe27c',42,5401906532405508,5401906532405508,'admin@example.com','after',1795529789379,1858601789379,NULL,NULL,1795529789379,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0',3274327432743274,3533440282621015,3533440282621015,'admin@example.com','dapi-mock admin token',1795529789176,1858601789176,1795536989222,'Python-urllib/3.11',1795536989222,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('dbb905778dd736123a5df8b63fe26694092fd1d284bb39a31b7bd5d66d8eb4d0',42,5401906532405508,5401906532405508,'admin@example.com','kept',1795529789375,1858601789375,NULL,NULL,1795529789375,NULL,NULL,NULL);
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
INSERT INTO "tombstones" VALUES('695520ff950e81bc2343756ec74f12f8cac88a348f047b614f6b799a2fcab0c3',3274327432743274,3533440282621015,3533440282621015,'admin@example.com','revoked',1795529789213,1858601789213,NULL,NULL,1795529789215,'revoked_by_owner','admin@example.com');
CREATE TABLE workspace_assignments (
  workspace_id INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id INTEGER NOT NULL,
  active       INTEGER NOT NULL,
  entitlements TEXT    NOT NULL,
  roles        TEXT    NOT NULL, direct INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_assignments" VALUES(42,1681850798385410,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,4481415552829387,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,5037329314591400,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,5401906532405508,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,5911651978740422,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,1496923969429304,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,1669794859005600,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,2704078361808396,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,3533440282621015,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,3899699837435820,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,6853299183125644,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8246190349934868,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8324406412881554,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8485937648518569,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8918815303931574,1,'[]','[]',1);
CREATE TABLE workspace_conf (
  workspace_id   INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  conf_key       TEXT    NOT NULL,
  conf_value     TEXT    NOT NULL,
  -- What applies before effective_at (propagation delay); NULL when it was unset.
  previous_value TEXT,
  effective_at   INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, conf_key)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_conf" VALUES(3274327432743274,'maxTokenLifetimeDays','60',NULL,1795529789217);
CREATE TABLE workspace_settings (
  workspace_id  INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  setting_name  TEXT    NOT NULL,
  setting_value TEXT    NOT NULL,
  etag          TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, setting_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_settings" VALUES(3274327432743274,'restrict_workspace_admins','RESTRICT_TOKENS_AND_JOB_RUN_AS','8e9f8b57-a2aa-4a0c-bf9a-590dab8faa31');
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
, delete_at INTEGER, entropy_seed INTEGER, entropy_drawn INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "workspaces" VALUES(42,'a1a535a0-90c9-4d8a-8724-ac232baefc59','workspace-42','workspace-42',1795529789371,0,5037329314591400,4481415552829387,'real',0,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}',NULL,NULL,0);
INSERT INTO "workspaces" VALUES(3274327432743274,'32743274-3274-4274-8274-327432743274','dapi-mock','dapi-mock',1795529789175,1,1669794859005600,6853299183125644,'offset',7200000,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}',NULL,NULL,0);
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit_events',31);
COMMIT;
