-- {"users": ["ann@example.com"], "groups": {"inner": ["2639595879862799", "7272662229224325"], "outer": ["3762706009576387"]}, "robot": {"value": "dapi1dcde59542457a8f49cd13a960d45d97", "id": "eb893e5a14c4dbc28f563669fb53abb2ba1273657d8dc80e07113b9b7e157818"}, "suspended": {"value": "dapi8b3233dfcee4d384885a9d127818c118", "id": "67578bdcde31b9d13a0e551c5b4c53b8245da2b4c7ab9a0da060a8a5c5d6eaf6"}, "expired": {"value": "dapi38a6a3e1c6f5105bbb7241e076790eff", "id": "49fb9d4ceb140c895abdd67fe74905e2e3001c8dc76a7aa1830bd3572138e5bc"}, "revoked": {"value": "dapic7bf075f5839bc8a64e640ceec5753f3", "id": "e22fd06ab7503e5f96132c7ab17c566fb8d7a2bc57e669c7a9ecdc9e9a1bbd22"}, "conf": {"maxTokenLifetimeDays": "60"}, "live": {"value": "dapi50844889d8dfad4b55a431624cd264be", "id": "6b9dbba2edd5dbb88ed89670b02db4008a50f7d64b22e62b79cbc25a99a810d7"}, "scoped": {"value": "dapic6319fdd9e72a8d122457eed169b32c9", "id": "31b851c23c98fd894d0910ffbff76fbb82c8f56ce9ed6bfaea9396f9997d758c"}, "client": ["12c1957a-069b-45db-a596-f1d44c5271dd", "dose6b3ed9f181317992260acb62c844cc84"], "access_token": "eyJraWQiOiJkOGI4OTUzNGM5Y2Q3N2FlZGVkMmI2ZWM5ZjI4NTU0YWU1NDI1NmFiNTg0N2E1NTgxOWJiNDI0YjA1NmU5NDhmIiwidHlwIjoiYXQrand0IiwiYWxnIjoiUlMyNTYifQ.eyJjbGllbnRfaWQiOiIxMmMxOTU3YS0wNjliLTQ1ZGItYTU5Ni1mMWQ0NGM1MjcxZGQiLCJzY29wZSI6ImFsbC1hcGlzIiwiaXNzIjoiaHR0cDovLzEyNy4wLjAuMTozNjc4My9vaWRjIiwiYXVkIjoiMzI3NDMyNzQzMjc0MzI3NCIsInN1YiI6IjEyYzE5NTdhLTA2OWItNDVkYi1hNTk2LWYxZDQ0YzUyNzFkZCIsImlhdCI6MTc5NTgwNTc0NywiZXhwIjoxNzk1ODA5MzQ3LCJqdGkiOiIyYWY1ODY0YS1hMjYxLTRiYzQtYWI1YS1hNDY4NGY4ZTFkOGMiLCJjcmVhdGlvbiI6NzMyNTI2MDg4ODc5NTgxMX0.k0_hD5QB4XBdc4ZjADYx14EChHMbpHBXFxuV55TxogQTIbduMkJoV3N4DU2D2leW5pNmOvpUl9fM00BC1rLUnScRd_C2_DGScb5owI6v0CTQxlTT1BY8X2Q-tAFT-WsjOMCklQ7W6-qurc4jzqK2OKxM8FTk4wgev8UnfEYhMAGOEDsmKj36Librhh70MZGqTS_RLUN7UclVSIybJCNwSKhYobQb1ReoWZdGXO6T9mxs8l_KMjRbMfSNd7sbJsbjaDpTL2JDcgdC16LuBtU2hbImegPesia0rZvQN56UX6HvFUFwvcErgCmHI9ig0iJFmqwC1myOHG0e2US7Y3N3Lg", "setting": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "checkpoint": {"kept": "dapibd72003846579a56577a310dbcb0d534", "lost": "dapi3f9dadf27fd764db5dd44375768d8bcb"}, "decoy": "dapiff349676ebfdf523c41529d8a2121587", "fault": "/api/2.0/token/list", "refresh_token": "dort1d8aac5a7a10445eb54826a643fa90a0ec389f88dcdcea30c1b7756112b8fe2cc82249e85c8dca30d17f75ac76274540", "audit_events": 28, "made_at": 1795798547850}
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
INSERT INTO "_sqlx_migrations" VALUES(1,'init','2026-11-27 16:55:47',1,X'981439543882C3FB1DE3D3AA4716A6208DD9611E2D48D86FA3CC35F0CA5CA6742EDEEA0188E57599BCD4971037026B42',2138121);
INSERT INTO "_sqlx_migrations" VALUES(2,'oauth','2026-11-27 16:55:47',1,X'77D0503C26CA224047803B819A9EA5663A33EF1E291FB41C2D60B60CB1DA953D25C6BF71D65ED89CA85AECC529A00027',728320);
INSERT INTO "_sqlx_migrations" VALUES(3,'settings','2026-11-27 16:55:47',1,X'6F7B1CDA212365348C1CAC21FBB20B25FF88804DC6172E8B629BBE39A85F19719D51BCB9DB9A07F3F2757288B898A058',572899);
INSERT INTO "_sqlx_migrations" VALUES(4,'sign in','2026-11-27 16:55:47',1,X'6F3CD001B411185F9BB278458A3377E79F23656E19BEF0F0F7E90817424EAA0C3BD8BA475BB82DE1D24E34BF50B49B6A',492741);
INSERT INTO "_sqlx_migrations" VALUES(5,'account','2026-11-27 16:55:47',1,X'DD03D837E99211F95C8CBB13F8679DE062C81CB893AC2D8729CD12831B50C21FA67C19CAC6C66604D0E0E74EAF39984A',1033933);
INSERT INTO "_sqlx_migrations" VALUES(6,'token report','2026-11-27 16:55:47',1,X'D686BE899BB408A853C1C3926F1DB5C8921CDA28685BA0C95735D876ADF1AB481A5B5A14C676D39D86C5837683834682',671957);
INSERT INTO "_sqlx_migrations" VALUES(7,'worlds','2026-11-27 16:55:47',1,X'701D37E6D8DEF51D16BDA9A2D635D35A1DEBB7E3789B35E5FBD6D397B205DA562A01056FF62A8616D11DEC97DABA60FB',1408759);
INSERT INTO "_sqlx_migrations" VALUES(8,'faults','2026-11-27 16:55:47',1,X'250DBCF31BFA14A7E3D4EE1B4F1C3501E5598B45D85FA64787B6481FAAD2F23B822CB978CDCC01AB4F1AA01E6584D9BD',416087);
INSERT INTO "_sqlx_migrations" VALUES(9,'decoys','2026-11-27 16:55:47',1,X'066CFC4EEEE096DD9CF7108C1E08BDEBE5F2BBEFAB9F11AA9C583A0EB92CDD1E3B233DFF6D24F56B1417B4A1D64DDCC7',390068);
INSERT INTO "_sqlx_migrations" VALUES(10,'incarnation','2026-11-27 16:55:47',1,X'B32C0DC0D2F578CC6EFB991459E2B2B23E5BC11FB548BE6914C6836D7C5410EC05D0FBEA17F7EF85595642E5B061790D',619138);
INSERT INTO "_sqlx_migrations" VALUES(11,'page sessions','2026-11-27 16:55:47',1,X'59F95829DCE6D08386EE52F61F6B37B0C926E636F35D7488D58D644051A17053988E450892DCA0D9182906ABCBB70FD1',464519);
INSERT INTO "_sqlx_migrations" VALUES(12,'exchanges','2026-11-27 16:55:47',1,X'F4C105959376BBB13981DB29EEFC5C7CECE9B5A8321A9CAF4AC5779874973C5CB4477AD72D9436EFAD02C0EBE236DAB1',496015);
INSERT INTO "_sqlx_migrations" VALUES(13,'statement costs','2026-11-27 16:55:47',1,X'BD33914A6A35DCC55AEE37866700681EE0705D708E9B5B94553FF85F0B55E4B838CE68E53FE114848CD96614FFFC11BD',754148);
INSERT INTO "_sqlx_migrations" VALUES(14,'system time','2026-11-27 16:55:47',1,X'FF035ADEA2785BA64DFF70C59ED1DBBBF7A0B438423E46B9BA7CCD485C20BE42EBFA89A0FF50DF61A6C49FE8F2B01240',572650);
INSERT INTO "_sqlx_migrations" VALUES(15,'principals','2026-11-27 16:55:47',1,X'CD3E45BAE0944E5F12AA0EDF8CBE9AB9FCD3CE5A7293E093034ABAEBA5329D0B52911CB640691E930F10526D5AB34056',1419486);
INSERT INTO "_sqlx_migrations" VALUES(16,'scopes','2026-11-27 16:55:47',1,X'09B05F355280B6573BC1E8D7BB919052EBB7795149ABAA12792F47B0C259604A9D5A6CD6999EBEE9DF02717F4EB5D00E',1479655);
CREATE TABLE accounts (
  account_id TEXT NOT NULL PRIMARY KEY,
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "accounts" VALUES('32743274-3274-4274-8274-327432743274',1795798547640);
INSERT INTO "accounts" VALUES('c8536e6d-67fa-46ef-bfc4-b2c897e744b7',1795798547809);
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
INSERT INTO "audit_events" VALUES(1,3274327432743274,'27c546df-3832-4fef-bed7-a900cd659085',1795798547665,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','07cceee4-91f3-4655-a6cf-891fd99e9338','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(2,3274327432743274,'7dab27f0-8570-404d-9ce5-4273fc56209a',1795798547665,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','07cceee4-91f3-4655-a6cf-891fd99e9338','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"2639595879862799","targetUserName":"12c1957a-069b-45db-a596-f1d44c5271dd"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(3,3274327432743274,'dee1c13a-a0e1-4437-95ce-ac954a7a3fce',1795798547673,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','b8fefd13-25a5-4c86-9931-0807c9fca31b','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"4376510924841870","targetUserName":"811e5008-0b7b-47a2-9f03-b69d5c27ea22"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(4,3274327432743274,'3fe3065a-4e07-4ab2-817d-5dbb6f42a28b',1795798547677,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','4e3bf8da-6df3-404d-a02f-6928b5b5e3cc','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"7272662229224325","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(5,3274327432743274,'408c84d7-a6b5-499c-a1ff-e90c19e24708',1795798547682,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','1ee53e2f-3229-4e6b-80f6-e9e6cc6a2d09','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"3762706009576387","targetGroupName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(6,3274327432743274,'76b4c3f6-6039-4a48-8580-f0cfa78401dd',1795798547682,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','1ee53e2f-3229-4e6b-80f6-e9e6cc6a2d09','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"3762706009576387","targetGroupName":"inner","targetUserId":"2639595879862799","targetUserName":"12c1957a-069b-45db-a596-f1d44c5271dd"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(7,3274327432743274,'af292a57-cd39-4d86-a82c-64d612b5f92f',1795798547682,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','1ee53e2f-3229-4e6b-80f6-e9e6cc6a2d09','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"3762706009576387","targetGroupName":"inner","targetUserId":"7272662229224325","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(8,3274327432743274,'a0203836-8e36-41cc-a77e-09b1c78b27d1',1795798547689,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','8f9da767-a382-40f7-b55a-321a84737a68','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"8855530539600629","targetGroupName":"outer"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(9,3274327432743274,'dc95bae3-994c-487f-b814-bdefac24b50a',1795798547689,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','8f9da767-a382-40f7-b55a-321a84737a68','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"8855530539600629","targetGroupName":"outer","targetUserId":"3762706009576387","targetUserName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(10,3274327432743274,'dcbdd7ca-587d-4ae1-b501-334e24f3622c',1795798547695,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','264bca4d-2c97-40de-9922-ddb5e31f327d','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"4376510924841870"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(11,3274327432743274,'18aa55b9-7827-461b-9d1a-bf5b69d908f4',1795798547695,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','264bca4d-2c97-40de-9922-ddb5e31f327d','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"8855530539600629"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(12,3274327432743274,'89b1cbac-44c7-4d4e-8ee4-c0bb6484be41',1795798547701,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','296459bf-4ab2-42b1-a2d4-e6b1a074ee7e','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"5500983672717767","tokenExpirationTime":"1798390547701","tokenHash":"eb893e5a14c4dbc28f563669fb53abb2ba1273657d8dc80e07113b9b7e157818","tokenId":"eb893e5a14c4dbc28f563669fb53abb2ba1273657d8dc80e07113b9b7e157818","userId":"2639595879862799"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(13,3274327432743274,'f03febc4-60b9-4772-923b-54516457958c',1795798547706,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','9a633141-7721-4b50-a2b3-9904cf92d71c','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"5500983672717767","tokenExpirationTime":"1798390547706","tokenHash":"67578bdcde31b9d13a0e551c5b4c53b8245da2b4c7ab9a0da060a8a5c5d6eaf6","tokenId":"67578bdcde31b9d13a0e551c5b4c53b8245da2b4c7ab9a0da060a8a5c5d6eaf6","userId":"4376510924841870"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(14,3274327432743274,'8b5cac1d-4a9c-4624-9279-0772f766cfbb',1795798547711,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','c8e3fee4-ad96-4ec8-88c5-7997ca764a06','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"1894145810028744"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(15,3274327432743274,'72a15f86-241c-4437-ad28-e565dc5f24de',1795798547711,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','c8e3fee4-ad96-4ec8-88c5-7997ca764a06','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"4376510924841870"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(16,3274327432743274,'ea4c92d1-3eb2-4509-8e5a-e223df6ea136',1795798547714,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','a64e8165-242b-406f-9565-e4b130aac284','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"5500983672717767","tokenExpirationTime":"1795802147714","tokenHash":"49fb9d4ceb140c895abdd67fe74905e2e3001c8dc76a7aa1830bd3572138e5bc","tokenId":"49fb9d4ceb140c895abdd67fe74905e2e3001c8dc76a7aa1830bd3572138e5bc","userId":"5500983672717767"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(17,3274327432743274,'62b4c62c-e7b4-47f4-8256-95562ffc9224',1795798547718,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','d0a9adcd-60bc-46f2-acc4-8b568d367956','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"5500983672717767","tokenExpirationTime":"1858870547718","tokenHash":"e22fd06ab7503e5f96132c7ab17c566fb8d7a2bc57e669c7a9ecdc9e9a1bbd22","tokenId":"e22fd06ab7503e5f96132c7ab17c566fb8d7a2bc57e669c7a9ecdc9e9a1bbd22","userId":"5500983672717767"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(18,3274327432743274,'6f73ecf3-d024-432f-b1d3-3fc91bb8fba8',1795798547722,'32743274-3274-4274-8274-327432743274','accounts','revokeDbToken','admin@example.com','8c01fca8-0555-40e7-9d0d-9150d2ebce4e','127.0.0.1','Python-urllib/3.11','{"tokenHash":"e22fd06ab7503e5f96132c7ab17c566fb8d7a2bc57e669c7a9ecdc9e9a1bbd22","tokenId":"e22fd06ab7503e5f96132c7ab17c566fb8d7a2bc57e669c7a9ecdc9e9a1bbd22","userId":"5500983672717767"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(19,3274327432743274,'a5024fff-a21b-416b-9fbc-79ca112cef4f',1795798547725,'32743274-3274-4274-8274-327432743274','workspace','workspaceConfEdit','admin@example.com','bf214bba-6b84-4c27-9edb-0e0dd7abb6ce','127.0.0.1','Python-urllib/3.11','{"workspaceConfKeys":"maxTokenLifetimeDays","workspaceConfValues":"60"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(20,3274327432743274,'be74d270-46c5-4e4a-9991-218d3f157d78',1795805747738,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','10f79d4c-6202-412e-bc4e-1d4b4983de9a','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(21,3274327432743274,'17db94ec-1815-4103-ba20-806dcdbf73c4',1795805747738,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','10f79d4c-6202-412e-bc4e-1d4b4983de9a','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"5500983672717767","tokenExpirationTime":"1800125747738","tokenHash":"6b9dbba2edd5dbb88ed89670b02db4008a50f7d64b22e62b79cbc25a99a810d7","tokenId":"6b9dbba2edd5dbb88ed89670b02db4008a50f7d64b22e62b79cbc25a99a810d7","userId":"5500983672717767"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(22,3274327432743274,'5c4af980-e915-4f57-ac28-9c9c84dc53f1',1795805747744,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','aabc78b5-99f3-4190-b7c6-f62015b3f64d','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"5500983672717767","tokenExpirationTime":"1800989747744","tokenHash":"31b851c23c98fd894d0910ffbff76fbb82c8f56ce9ed6bfaea9396f9997d758c","tokenId":"31b851c23c98fd894d0910ffbff76fbb82c8f56ce9ed6bfaea9396f9997d758c","userId":"5500983672717767"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(23,3274327432743274,'631ff4f2-002a-4c27-b4a1-5931e01daeb3',1795805747748,'32743274-3274-4274-8274-327432743274','servicePrincipalCredentials','create','admin@example.com','ec679a14-90eb-4643-8a33-298bd62398e1','127.0.0.1','Python-urllib/3.11','{"secret_id":"b74f1068-e9ad-421e-8ce6-13e57a5c134f","service_principal":"2639595879862799"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(24,3274327432743274,'2f6a4ee5-535d-4af3-96f4-d3d3128e6d98',1795805747752,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','12c1957a-069b-45db-a596-f1d44c5271dd','d7eac9ce-1dfd-4113-b526-ab4ab155009b','127.0.0.1','Python-urllib/3.11','{"client_id":"12c1957a-069b-45db-a596-f1d44c5271dd","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(25,3274327432743274,'f000d436-3997-4bff-8d34-97eef7435152',1795805747798,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','32743274-3274-4274-8274-327432743275','dcfb8507-e90d-4a25-bab3-0abf679c3f7c','127.0.0.1','Python-urllib/3.11','{"client_id":"32743274-3274-4274-8274-327432743275","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(26,3274327432743274,'efc52c29-5126-4da3-9e5a-c2ef793ac659',1795805747806,'32743274-3274-4274-8274-327432743274','accounts','setSetting','32743274-3274-4274-8274-327432743275','d9d8ef00-40d8-44d6-9111-efc2d9660270','127.0.0.1','Python-urllib/3.11','{"settingTypeName":"restrict_workspace_admins","settingValueForAudit":"RESTRICT_TOKENS_AND_JOB_RUN_AS"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(27,42,'a9639661-6445-4c51-9f20-c2f1266e7b16',1795798547818,'c8536e6d-67fa-46ef-bfc4-b2c897e744b7','accounts','tokenLogin','admin@example.com','09d5b650-2ba3-4df5-aecc-7c3a0316ede4','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(28,42,'b25ff71f-1d77-4538-8f2f-3a96dc00e769',1795798547818,'c8536e6d-67fa-46ef-bfc4-b2c897e744b7','accounts','generateDbToken','admin@example.com','09d5b650-2ba3-4df5-aecc-7c3a0316ede4','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"5097756912075159","tokenExpirationTime":"1858870547818","tokenHash":"f63290a8050e15edad6a0f2c3a20196a8d523d3255ca5ec0db33f79dfab7de42","tokenId":"f63290a8050e15edad6a0f2c3a20196a8d523d3255ca5ec0db33f79dfab7de42","userId":"5097756912075159"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(29,42,'15c11f92-4db9-4a30-860a-94b76766dee0',1795798547827,'c8536e6d-67fa-46ef-bfc4-b2c897e744b7','accounts','generateDbToken','admin@example.com','7234ece7-7277-42b1-8bb9-6687bf061c65','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"5097756912075159","tokenExpirationTime":"1858870547827","tokenHash":"0e2f1090731f477b24f6a5d18b27acca787665293f3c4b5391a3f769b6fdaefa","tokenId":"0e2f1090731f477b24f6a5d18b27acca787665293f3c4b5391a3f769b6fdaefa","userId":"5097756912075159"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(30,3274327432743274,'31833571-4f38-40ee-a7b7-4a5eeb3ddbc6',1795805747836,'32743274-3274-4274-8274-327432743274','accounts','oidcBrowserLogin','admin@example.com','16b4706d-4490-4314-915a-c8a8f7198f2c','127.0.0.1','Python-urllib/3.11','{"user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(31,3274327432743274,'b1b8ca7d-b048-4116-b4e3-703c064f1738',1795805747842,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','admin@example.com','9c0ecb67-c70a-44b6-a7e6-52b7307d572d','127.0.0.1','Python-urllib/3.11','{"client_id":"databricks-cli","expires_in":"3600","grant_type":"authorization_code","scope":"offline_access all-apis"}',200,NULL,0);
CREATE TABLE checkpoint_rows (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  table_name      TEXT    NOT NULL,
  is_account      INTEGER NOT NULL,
  content         TEXT    NOT NULL
) STRICT;
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspaces',0,'{"workspace_id":3274327432743274,"account_id":"32743274-3274-4274-8274-327432743274","name":"dapi-mock","deployment_name":"dapi-mock","created_at":1795798547640,"is_default":1,"admins_group_id":5538816688804980,"users_group_id":1894145810028744,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30,\"autoscope_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":1894145810028744,"workspace_id":3274327432743274,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795798547640,"creation":7232419450757403}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":5538816688804980,"workspace_id":3274327432743274,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795798547640,"creation":4648805688664724}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":1642075893690290,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795798547640,"creation":6123593830927449}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":4057381045642103,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795798547640,"creation":5239600312518313}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":5500983672717767,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795798547640,"creation":5422584184275469}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":5538816688804980,"member_id":4057381045642103}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":5538816688804980,"member_id":5500983672717767}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":1642075893690290,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":1894145810028744,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":4057381045642103,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":5500983672717767,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":5538816688804980,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','token_acl',0,'{"workspace_id":3274327432743274,"principal_id":1894145810028744,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','tokens',0,'{"token_id":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","workspace_id":3274327432743274,"owner_id":5500983672717767,"created_by_id":5500983672717767,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795798547643,"expiry_time":1858870547643,"last_used_at":null,"last_client":null,"idle_from":1795798547643,"scopes":null,"autoscope_state":null,"inferred_scopes":null,"autoscope_until":null,"backfill_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','oauth_secrets',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":4057381045642103,"secret_id":"88186c06-ed4a-479c-ae4e-107dc381873e","secret_hash":"a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32","created_at":1795798547646,"expires_at":1858870547646,"scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspaces',0,'{"workspace_id":42,"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","name":"workspace-42","deployment_name":"workspace-42","created_at":1795798547809,"is_default":0,"admins_group_id":6126834640621250,"users_group_id":3396933848989699,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30,\"autoscope_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","principal_id":3396933848989699,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795798547809,"creation":4042576835652204}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","principal_id":6126834640621250,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795798547809,"creation":7057210896925240}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","principal_id":2902146840205457,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795798547809,"creation":2566672719600561}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","principal_id":5097756912075159,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795798547809,"creation":1682069523833082}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","principal_id":7250580347808566,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795798547809,"creation":5664801506197172}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","group_id":6126834640621250,"member_id":2902146840205457}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","group_id":6126834640621250,"member_id":5097756912075159}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":2902146840205457,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":3396933848989699,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":5097756912075159,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":6126834640621250,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":7250580347808566,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','token_acl',0,'{"workspace_id":42,"principal_id":3396933848989699,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":5097756912075159,"created_by_id":5097756912075159,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795798547812,"expiry_time":1858870547812,"last_used_at":null,"last_client":null,"idle_from":1795798547812,"scopes":null,"autoscope_state":null,"inferred_scopes":null,"autoscope_until":null,"backfill_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','oauth_secrets',1,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","principal_id":2902146840205457,"secret_id":"fa8ce8b9-40f5-4460-a9e4-30b8f7a87e14","secret_hash":"01df4ebfd7c3a18caa27444f554595d0dc0c05d71a9bfa82a5c5a3ab4df0ea21","created_at":1795798547813,"expires_at":1858870547813,"scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspaces',0,'{"workspace_id":42,"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","name":"workspace-42","deployment_name":"workspace-42","created_at":1795798547809,"is_default":0,"admins_group_id":6126834640621250,"users_group_id":3396933848989699,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30,\"autoscope_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","principal_id":3396933848989699,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795798547809,"creation":4042576835652204}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","principal_id":6126834640621250,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795798547809,"creation":7057210896925240}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","principal_id":2902146840205457,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795798547809,"creation":2566672719600561}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","principal_id":5097756912075159,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795798547809,"creation":1682069523833082}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","principal_id":7250580347808566,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795798547809,"creation":5664801506197172}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","group_id":6126834640621250,"member_id":2902146840205457}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","group_id":6126834640621250,"member_id":5097756912075159}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":2902146840205457,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":3396933848989699,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":5097756912075159,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":6126834640621250,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":7250580347808566,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','token_acl',0,'{"workspace_id":42,"principal_id":3396933848989699,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":5097756912075159,"created_by_id":5097756912075159,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795798547812,"expiry_time":1858870547812,"last_used_at":1795798547818,"last_client":"Python-urllib/3.11","idle_from":1795798547818,"scopes":null,"autoscope_state":null,"inferred_scopes":null,"autoscope_until":null,"backfill_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"f63290a8050e15edad6a0f2c3a20196a8d523d3255ca5ec0db33f79dfab7de42","workspace_id":42,"owner_id":5097756912075159,"created_by_id":5097756912075159,"created_by_username":"admin@example.com","comment":"kept","creation_time":1795798547818,"expiry_time":1858870547818,"last_used_at":null,"last_client":null,"idle_from":1795798547818,"scopes":null,"autoscope_state":null,"inferred_scopes":null,"autoscope_until":null,"backfill_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":27,"workspace_id":42,"event_id":"a9639661-6445-4c51-9f20-c2f1266e7b16","event_time":1795798547818,"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","service_name":"accounts","action_name":"tokenLogin","actor":"admin@example.com","request_id":"09d5b650-2ba3-4df5-aecc-7c3a0316ede4","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"authenticationMethod\":\"API_EXT_PAT_TOKEN\",\"tokenId\":\"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d\",\"user\":\"admin@example.com\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":28,"workspace_id":42,"event_id":"b25ff71f-1d77-4538-8f2f-3a96dc00e769","event_time":1795798547818,"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","service_name":"accounts","action_name":"generateDbToken","actor":"admin@example.com","request_id":"09d5b650-2ba3-4df5-aecc-7c3a0316ede4","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"tokenCreatedBy\":\"5097756912075159\",\"tokenExpirationTime\":\"1858870547818\",\"tokenHash\":\"f63290a8050e15edad6a0f2c3a20196a8d523d3255ca5ec0db33f79dfab7de42\",\"tokenId\":\"f63290a8050e15edad6a0f2c3a20196a8d523d3255ca5ec0db33f79dfab7de42\",\"userId\":\"5097756912075159\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','oauth_secrets',1,'{"account_id":"c8536e6d-67fa-46ef-bfc4-b2c897e744b7","principal_id":2902146840205457,"secret_id":"fa8ce8b9-40f5-4460-a9e4-30b8f7a87e14","secret_hash":"01df4ebfd7c3a18caa27444f554595d0dc0c05d71a9bfa82a5c5a3ab4df0ea21","created_at":1795798547813,"expires_at":1858870547813,"scopes":null}');
CREATE TABLE checkpoints (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  created_at      INTEGER NOT NULL,
  has_account     INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, checkpoint_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "checkpoints" VALUES(42,'before',1795798547823,1);
INSERT INTO "checkpoints" VALUES(42,'empty',1795798547814,1);
INSERT INTO "checkpoints" VALUES(3274327432743274,'empty',1795798547646,1);
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
INSERT INTO "decoys" VALUES(3274327432743274,'98151b911f9c033e68374c77cd7891596f47077ba2da218c910458748419616c','bait',1795805747831,0,NULL,NULL,NULL);
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
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',3762706009576387,2639595879862799);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',8855530539600629,3762706009576387);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',5538816688804980,4057381045642103);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',5538816688804980,5500983672717767);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',3762706009576387,7272662229224325);
INSERT INTO "group_members" VALUES('c8536e6d-67fa-46ef-bfc4-b2c897e744b7',6126834640621250,2902146840205457);
INSERT INTO "group_members" VALUES('c8536e6d-67fa-46ef-bfc4-b2c897e744b7',6126834640621250,5097756912075159);
CREATE TABLE oauth_keys (
  kid         TEXT    NOT NULL PRIMARY KEY,
  account_id  TEXT    NOT NULL REFERENCES accounts (account_id),
  -- The RSA modulus as in a JWK; the exponent is 65537.
  modulus     TEXT    NOT NULL,
  -- PKCS#8 in base64.
  private_key TEXT    NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO "oauth_keys" VALUES('d8b89534c9cd77aeded2b6ec9f28554ae54256ab5847a55819bb424b056e948f','32743274-3274-4274-8274-327432743274','5GfbsQZInzWuRUK2BYEWnhk94Qejkhf0GCDmzvWEUbM8KkvGuNAhMT05jKe0Yz_IXXtzyjJk2kaj6G8QFTDqZwcSLfQB7yDEGjUiENIUvxuF7300-2K_Yxcuc11p0UeFW5n0cHECF7EacGNOvt8bLnaym4IDrpF3y9uuqd_eZKMoenrBqNeds14E5UpUl7P_NhoSiufFeCrAani0u8VkWYEMKOjUaGsZbco4twH9UpSeRSEy31BkLqBdpebYyxFFZ0xEVkf7XXQY61gb6wVxRa7sAPqry6jxsxqJA7-888Do5Boihlkw9V-mO_ZsBoLgKb1xyb6NpYpBAUe6bXDm4w','MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDkZ9uxBkifNa5FQrYFgRaeGT3hB6OSF/QYIObO9YRRszwqS8a40CExPTmMp7RjP8hde3PKMmTaRqPobxAVMOpnBxIt9AHvIMQaNSIQ0hS/G4XvfTT7Yr9jFy5zXWnRR4VbmfRwcQIXsRpwY06+3xsudrKbggOukXfL266p395koyh6esGo152zXgTlSlSXs/82GhKK58V4KsBqeLS7xWRZgQwo6NRoaxltyji3Af1SlJ5FITLfUGQuoF2l5tjLEUVnTERWR/tddBjrWBvrBXFFruwA+qvLqPGzGokDv7zzwOjkGiKGWTD1X6Y79mwGguApvXHJvo2likEBR7ptcObjAgMBAAECggEAF1fuAhesUGlCGF4LEGDzGNFnm5oWQ5YjIlwqerho/5ib6463Dqhm3Atv2EpDi2k3ZyZ43Q9tc0mI8vZ25FONgV4do4iusevdXvhTNPjjmeyMMb/QLGkZOl1iJ/RCHlt667O+YceK+TTmiNn9cFCJDKSg+He/PJYtci5PmZkBt7Mrv9OgYoRcFZjUK7lG9kiJu7eWLcmSZgu9+o6/v8pYNBWLVSoEXET461xKX9kYxsQMfiqft5d1z+3es3rlVLWAe7MyFM9WctYw+9uZNpxGMmXsVSlXoMMvwb/UA4hCN0ZNjQFvW3B9o8ShxTTGuzxESCWbf7ZtKYh7M9rWf6k8wQKBgQD0Qi8nP+RJkyqECRG0KKZDQTZccOML46OhuK3VuqGrrRlnOFCVVGSoH3MjxmPupDE/WIrk7KDzWr+aXkOBjoZaT/jyrhJt+2NUmmL7I2el6QY07O7yzpojA09BYInKYVQW9UoeQP+/l5WaYNudD4XiU+N6hzMFuZ1PMxrhrKHe8QKBgQDvYpdFepRxU+qqCmmZV3PbvwZXzDYZON64VDOBueSoc555fpHrhH63Adpqxw3KMhBibqWFSGgk8gH9jXGfkITpDsbAuajt/1smimswIuf8yxx+szUzIwSLYhHX+2m1Iae5a/wb7yFLSfsP/Wfc8/gKlcxfeYI/iKSG7arOuGkLEwKBgAwVQhPk+zwQhafmcvPAlwj4ruG/y9uItU2Iv0C1bM37UChlBsd8V0Zh1+ZLKCJkCPOjQ6uzcPrY4GWYiCpejJLnJd+LcOnz56QFxyO5SqVQc7gmiGOGiOV2gnMvfWF/kxNXqwT4Hi6yJvpuFC8e13asw7IKAiIkXn3Of2PukEthAoGAb6L3ztQKlAtBfYkblAJfqpQcPiei9wI5g5bo6k+p3hEFT72CCWahvXDkzjUELk5Iq87T7CNHRiuCWB91ZKd+BD363Hf42vziIkgdErbEn3SNVlz2q2FiRio3DhVWR71pPaSpTtGnIjhfGCbiH/26qB0R0ViWMFDmAXKm3H7NpfcCgYEAhcQgtP6Q5BFqm6n34epgNOJ7mMSr1jiOynvWhM9ZZOgVt3/Q19tcny0XeZOLno/DXHOgy/ZHj34myMsywyvKucEKRDn6/kbpsYBSfOFCgRnL1upHSuk0g2wL6DQTwXDVYj33lbXAO/dBAJAg1AQUxCDDGqdnj8tcoxZ/zMXKdYo=',1795798547792);
CREATE TABLE oauth_secrets (
  account_id   TEXT    NOT NULL,
  principal_id INTEGER NOT NULL,
  secret_id    TEXT    NOT NULL,
  secret_hash  TEXT    NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL, scopes TEXT,
  PRIMARY KEY (account_id, principal_id, secret_id),
  FOREIGN KEY (account_id, principal_id) REFERENCES principals (account_id, principal_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',2639595879862799,'b74f1068-e9ad-421e-8ce6-13e57a5c134f','0caa46713de979468139dc593d4ab91535c784c9f792a3d77b57de5f90a129e7',1795805747748,1858877747748,NULL);
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',4057381045642103,'88186c06-ed4a-479c-ae4e-107dc381873e','a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32',1795798547646,1858870547646,NULL);
INSERT INTO "oauth_secrets" VALUES('c8536e6d-67fa-46ef-bfc4-b2c897e744b7',2902146840205457,'fa8ce8b9-40f5-4460-a9e4-30b8f7a87e14','01df4ebfd7c3a18caa27444f554595d0dc0c05d71a9bfa82a5c5a3ab4df0ea21',1795798547813,1858870547813,NULL);
CREATE TABLE page_sessions (
  session_hash  TEXT NOT NULL,
  workspace_id  INTEGER NOT NULL,
  account_id    TEXT NOT NULL,
  whole_account INTEGER NOT NULL,
  principal_id  INTEGER NOT NULL,
  -- On the system's clock.
  began_at      INTEGER NOT NULL, principal_creation INTEGER NOT NULL DEFAULT 0,
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
  created_at    INTEGER NOT NULL, creation INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',1642075893690290,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795798547640,6123593830927449);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',1894145810028744,3274327432743274,'group','users','users','users',1,0,NULL,'{}',1795798547640,7232419450757403);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',2639595879862799,0,'service_principal','12c1957a-069b-45db-a596-f1d44c5271dd','12c1957a-069b-45db-a596-f1d44c5271dd','robot',1,0,NULL,'{}',1795798547668,7325260888795811);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',3762706009576387,3274327432743274,'group','inner','inner','inner',1,0,NULL,'{}',1795798547683,6556172072331941);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',4057381045642103,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795798547640,5239600312518313);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',4376510924841870,0,'service_principal','811e5008-0b7b-47a2-9f03-b69d5c27ea22','811e5008-0b7b-47a2-9f03-b69d5c27ea22','locked out',1,0,NULL,'{}',1795798547673,4270417965163226);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',5500983672717767,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795798547640,5422584184275469);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',5538816688804980,3274327432743274,'group','admins','admins','admins',1,0,NULL,'{}',1795798547640,4648805688664724);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',7272662229224325,0,'user','ann@example.com','ann@example.com','Ann',1,0,NULL,'{"emails":[{"value":"ann@example.com","type":"work","primary":true}]}',1795798547677,4982092569070563);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8855530539600629,3274327432743274,'group','outer','outer','outer',1,0,NULL,'{}',1795798547689,2567880888793379);
INSERT INTO "principals" VALUES('c8536e6d-67fa-46ef-bfc4-b2c897e744b7',2902146840205457,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795798547809,2566672719600561);
INSERT INTO "principals" VALUES('c8536e6d-67fa-46ef-bfc4-b2c897e744b7',3396933848989699,42,'group','users','users','users',1,0,NULL,'{}',1795798547809,4042576835652204);
INSERT INTO "principals" VALUES('c8536e6d-67fa-46ef-bfc4-b2c897e744b7',5097756912075159,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795798547809,1682069523833082);
INSERT INTO "principals" VALUES('c8536e6d-67fa-46ef-bfc4-b2c897e744b7',6126834640621250,42,'group','admins','admins','admins',1,0,NULL,'{}',1795798547809,7057210896925240);
INSERT INTO "principals" VALUES('c8536e6d-67fa-46ef-bfc4-b2c897e744b7',7250580347808566,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795798547809,5664801506197172);
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
INSERT INTO "sign_ins" VALUES('1d8aac5a-7a10-445e-b548-26a643fa90a0',3274327432743274,'32743274-3274-4274-8274-327432743274',0,'databricks-cli','http://localhost:8020','s','offline_access all-apis','y5UF_tmp_ICTDGza-Ou2vUvx2cu7DBN-Xwf_z0RDfTw','redeemed',5500983672717767,'3b5ec29ad55059f5d1eb4c2184509642bd0f377152fccdc928e8fcbdf7bac4f6','55fdcd25a0f0532ae5b28c80fe3bfbb251e2905c31f2aea09a2d95c79ea6ed45',1796410547842);
CREATE TABLE system_time (
  id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  shown_at INTEGER NOT NULL
) STRICT;
INSERT INTO "system_time" VALUES(1,1795798547847);
CREATE TABLE token_acl (
  workspace_id     INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id     INTEGER NOT NULL,
  permission_level TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "token_acl" VALUES(42,3396933848989699,'CAN_USE');
INSERT INTO "token_acl" VALUES(3274327432743274,8855530539600629,'CAN_USE');
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
  inferred_scopes     TEXT, autoscope_until INTEGER, backfill_scopes TEXT,
  PRIMARY KEY (token_id, workspace_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "tokens" VALUES('0e2f1090731f477b24f6a5d18b27acca787665293f3c4b5391a3f769b6fdaefa',42,5097756912075159,5097756912075159,'admin@example.com','after',1795798547827,1858870547827,NULL,NULL,1795798547827,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('31b851c23c98fd894d0910ffbff76fbb82c8f56ce9ed6bfaea9396f9997d758c',3274327432743274,5500983672717767,5500983672717767,'admin@example.com','scoped',1795805747744,1800989747744,NULL,NULL,1795805747744,'["sql"]','AUTOSCOPE_STATE_USER_SELECTED',NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d',42,5097756912075159,5097756912075159,'admin@example.com','dapi-mock admin token',1795798547812,1858870547812,1795798547818,'Python-urllib/3.11',1795798547818,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('49fb9d4ceb140c895abdd67fe74905e2e3001c8dc76a7aa1830bd3572138e5bc',3274327432743274,5500983672717767,5500983672717767,'admin@example.com','short',1795798547714,1795802147714,NULL,NULL,1795798547714,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('67578bdcde31b9d13a0e551c5b4c53b8245da2b4c7ab9a0da060a8a5c5d6eaf6',3274327432743274,4376510924841870,5500983672717767,'admin@example.com','locked out',1795798547706,1798390547706,NULL,NULL,1795798547706,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('6b9dbba2edd5dbb88ed89670b02db4008a50f7d64b22e62b79cbc25a99a810d7',3274327432743274,5500983672717767,5500983672717767,'admin@example.com','with ''quotes'' and ünïcode',1795805747738,1800125747738,NULL,NULL,1795805747738,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0',3274327432743274,5500983672717767,5500983672717767,'admin@example.com','dapi-mock admin token',1795798547643,1858870547643,1795805747738,'Python-urllib/3.11',1795805747738,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('eb893e5a14c4dbc28f563669fb53abb2ba1273657d8dc80e07113b9b7e157818',3274327432743274,2639595879862799,5500983672717767,'admin@example.com','of the robot',1795798547701,1798390547701,NULL,NULL,1795798547701,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('f63290a8050e15edad6a0f2c3a20196a8d523d3255ca5ec0db33f79dfab7de42',42,5097756912075159,5097756912075159,'admin@example.com','kept',1795798547818,1858870547818,NULL,NULL,1795798547818,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "tombstones" VALUES('e22fd06ab7503e5f96132c7ab17c566fb8d7a2bc57e669c7a9ecdc9e9a1bbd22',3274327432743274,5500983672717767,5500983672717767,'admin@example.com','revoked',1795798547718,1858870547718,NULL,NULL,1795798547722,'revoked_by_owner','admin@example.com');
CREATE TABLE workspace_assignments (
  workspace_id INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id INTEGER NOT NULL,
  active       INTEGER NOT NULL,
  entitlements TEXT    NOT NULL,
  roles        TEXT    NOT NULL, direct INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_assignments" VALUES(42,2902146840205457,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,3396933848989699,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,5097756912075159,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,6126834640621250,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,7250580347808566,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,1642075893690290,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,1894145810028744,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,2639595879862799,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,3762706009576387,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,4057381045642103,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,4376510924841870,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,5500983672717767,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,5538816688804980,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,7272662229224325,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8855530539600629,1,'[]','[]',1);
CREATE TABLE workspace_conf (
  workspace_id   INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  conf_key       TEXT    NOT NULL,
  conf_value     TEXT    NOT NULL,
  -- What applies before effective_at (propagation delay); NULL when it was unset.
  previous_value TEXT,
  effective_at   INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, conf_key)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_conf" VALUES(3274327432743274,'maxTokenLifetimeDays','60',NULL,1795798547725);
CREATE TABLE workspace_settings (
  workspace_id  INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  setting_name  TEXT    NOT NULL,
  setting_value TEXT    NOT NULL,
  etag          TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, setting_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_settings" VALUES(3274327432743274,'restrict_workspace_admins','RESTRICT_TOKENS_AND_JOB_RUN_AS','b7d15c15-f8fa-4c65-9d65-d966a111c372');
INSERT INTO "workspace_settings" VALUES(3274327432743274,'restrict_workspace_admins.disable_gov_tag_creation','false','b7d15c15-f8fa-4c65-9d65-d966a111c372');
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
INSERT INTO "workspaces" VALUES(42,'c8536e6d-67fa-46ef-bfc4-b2c897e744b7','workspace-42','workspace-42',1795798547809,0,6126834640621250,3396933848989699,'real',0,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30,"autoscope_days":30}',NULL,NULL,0,2247404328423568);
INSERT INTO "workspaces" VALUES(3274327432743274,'32743274-3274-4274-8274-327432743274','dapi-mock','dapi-mock',1795798547640,1,5538816688804980,1894145810028744,'offset',7200000,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30,"autoscope_days":30}',NULL,NULL,0,1280753978951840);
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
CREATE INDEX tokens_by_creator ON tokens (workspace_id, created_by_id);
CREATE INDEX tokens_by_creator_name ON tokens (workspace_id, created_by_username);
CREATE INDEX tombstones_by_owner ON tombstones (workspace_id, owner_id, ended_at);
CREATE INDEX principals_account_admins ON principals (account_id, principal_id) WHERE account_admin;
CREATE INDEX sign_ins_by_principal ON sign_ins (account_id, principal_id);
CREATE INDEX workspaces_by_account ON workspaces (account_id, is_default DESC, workspace_id);
CREATE INDEX workspaces_default ON workspaces (workspace_id) WHERE is_default;
CREATE INDEX principals_by_age ON principals (account_id, kind, created_at, principal_id);
CREATE INDEX tokens_by_autoscope_end ON tokens (workspace_id, COALESCE(autoscope_until, creation_time + 2592000000))
  WHERE autoscope_state = 'AUTOSCOPE_STATE_RUNNING';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit_events',31);
COMMIT;
