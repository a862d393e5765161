-- {"users": ["ann@example.com"], "groups": {"inner": ["3727185954998293", "4127825098615543"], "outer": ["8270836544099850"]}, "robot": {"value": "dapi64cad7f80914e886c1d0a2979c7ae3b9", "id": "a1b0041e3350f0083540bcc9c8b13d219cde4067442edd87b1cfc7c2803b9d61"}, "suspended": {"value": "dapi1efe58feae46ac6ba672133a9abb703d", "id": "d84c70ef2dde2983d610dc130e417b71560762ea0d47898d26b1580a89810f7d"}, "expired": {"value": "dapiae6a843203e5066fdfaeff2cab6204e5", "id": "cddbdf528417a1521284ec251119b888060de72952d0d19d968029f923ad4fdb"}, "revoked": {"value": "dapidf0d3a44cb6fd33bac174d2441b830e5", "id": "8ee818ad24af1d46555e99f0ce92fb7c250e741ae8fec5f53fae89f1a9f85795"}, "conf": {"maxTokenLifetimeDays": "60"}, "live": {"value": "dapi29912f51a954302c47da8934b4b3e977", "id": "425327eb1b0ed6aaf7d935881ead6a3f2ff0bb613c832dd6944af36b5e716324"}, "scoped": {"value": "dapif8c6667f6e90e73f60664fe7885d4c81", "id": "09e3bad3bad5490eb8268eaa1fad1cd0b3e9068911d34f7bf0b8e5e664361cb0"}, "client": ["aaec14cc-360c-45c9-bf7c-4313a67515f6", "dose256b979fa16d9e070f75e3d7c6ae5563"], "access_token": "eyJraWQiOiI2OTljZDYwZTFjMWRiZjZmOWJhNzllOTRlNWM5ZDdhYTQ0MzU1MDQ1NmI3MGUwZGQ3ZDk5NjhlNTUyM2EyZjkyIiwidHlwIjoiYXQrand0IiwiYWxnIjoiUlMyNTYifQ.eyJjbGllbnRfaWQiOiJhYWVjMTRjYy0zNjBjLTQ1YzktYmY3Yy00MzEzYTY3NTE1ZjYiLCJzY29wZSI6ImFsbC1hcGlzIiwiaXNzIjoiaHR0cDovLzEyNy4wLjAuMTo0NTYyNy9vaWRjIiwiYXVkIjoiMzI3NDMyNzQzMjc0MzI3NCIsInN1YiI6ImFhZWMxNGNjLTM2MGMtNDVjOS1iZjdjLTQzMTNhNjc1MTVmNiIsImlhdCI6MTc5NTgwNDkyNCwiZXhwIjoxNzk1ODA4NTI0LCJqdGkiOiJkYzUyNTJjYS03ZDYwLTQ2MmMtYmQyMC1kMjNhZmJmOTA0MWIifQ.CU6qRMoTQ1YvoEuzIsn-E_pZtiLhsUKf1TmoaOQ4uKnmg4T33fWWGiiDiGYeU5cMmlGJaeEE8jc8QgY62moQdc4LSfVFT6I5LPrRUXIGNFnsjbm7GmwGN88i9h4Eew_QkPAwzESpjyJPKMSKqiqUUkT7vYeYWY3VBPTFYhU_9x7BmCDp6ncqC38xzOXeyB_3kDFONCJBaY93xRkmny1id9_T89TmK5_G6RafuYZNaWTJUYjaIiKTrhLQoW2jaZbLwsQev0xKnmAHDdK92n2TVl1yz5C8KrwJEcEEWlydBj5-UNe4VogI5pcRSpvNoCCzgZgnXmp3Zc6fugUcKmuLZA", "setting": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "checkpoint": {"kept": "dapib213849899d737205b234a4e14de1789", "lost": "dapi71ca69e4d215de8d61bde702a0fdef9d"}, "decoy": "dapi81a3d6293712e5cd9fb212bd6ea27326", "fault": "/api/2.0/token/list", "refresh_token": "dort000bc49d25cf47228d696942e4f4aa791e0ce62a29954df69b416195f0d57a300aa7c3b92e78893a13e2fb89cfae5626", "audit_events": 28, "made_at": 1795797724313}
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
INSERT INTO "_sqlx_migrations" VALUES(1,'init','2026-11-27 16:42:03',1,X'981439543882C3FB1DE3D3AA4716A6208DD9611E2D48D86FA3CC35F0CA5CA6742EDEEA0188E57599BCD4971037026B42',1246288);
INSERT INTO "_sqlx_migrations" VALUES(2,'oauth','2026-11-27 16:42:03',1,X'77D0503C26CA224047803B819A9EA5663A33EF1E291FB41C2D60B60CB1DA953D25C6BF71D65ED89CA85AECC529A00027',338472);
INSERT INTO "_sqlx_migrations" VALUES(3,'settings','2026-11-27 16:42:03',1,X'6F7B1CDA212365348C1CAC21FBB20B25FF88804DC6172E8B629BBE39A85F19719D51BCB9DB9A07F3F2757288B898A058',296960);
INSERT INTO "_sqlx_migrations" VALUES(4,'sign in','2026-11-27 16:42:03',1,X'6F3CD001B411185F9BB278458A3377E79F23656E19BEF0F0F7E90817424EAA0C3BD8BA475BB82DE1D24E34BF50B49B6A',278203);
INSERT INTO "_sqlx_migrations" VALUES(5,'account','2026-11-27 16:42:03',1,X'DD03D837E99211F95C8CBB13F8679DE062C81CB893AC2D8729CD12831B50C21FA67C19CAC6C66604D0E0E74EAF39984A',676203);
INSERT INTO "_sqlx_migrations" VALUES(6,'token report','2026-11-27 16:42:03',1,X'D686BE899BB408A853C1C3926F1DB5C8921CDA28685BA0C95735D876ADF1AB481A5B5A14C676D39D86C5837683834682',615633);
INSERT INTO "_sqlx_migrations" VALUES(7,'worlds','2026-11-27 16:42:03',1,X'701D37E6D8DEF51D16BDA9A2D635D35A1DEBB7E3789B35E5FBD6D397B205DA562A01056FF62A8616D11DEC97DABA60FB',890601);
INSERT INTO "_sqlx_migrations" VALUES(8,'faults','2026-11-27 16:42:03',1,X'250DBCF31BFA14A7E3D4EE1B4F1C3501E5598B45D85FA64787B6481FAAD2F23B822CB978CDCC01AB4F1AA01E6584D9BD',222621);
INSERT INTO "_sqlx_migrations" VALUES(9,'decoys','2026-11-27 16:42:03',1,X'066CFC4EEEE096DD9CF7108C1E08BDEBE5F2BBEFAB9F11AA9C583A0EB92CDD1E3B233DFF6D24F56B1417B4A1D64DDCC7',207688);
INSERT INTO "_sqlx_migrations" VALUES(10,'incarnation','2026-11-27 16:42:03',1,X'B32C0DC0D2F578CC6EFB991459E2B2B23E5BC11FB548BE6914C6836D7C5410EC05D0FBEA17F7EF85595642E5B061790D',473042);
INSERT INTO "_sqlx_migrations" VALUES(11,'page sessions','2026-11-27 16:42:03',1,X'59F95829DCE6D08386EE52F61F6B37B0C926E636F35D7488D58D644051A17053988E450892DCA0D9182906ABCBB70FD1',270321);
INSERT INTO "_sqlx_migrations" VALUES(12,'exchanges','2026-11-27 16:42:03',1,X'F4C105959376BBB13981DB29EEFC5C7CECE9B5A8321A9CAF4AC5779874973C5CB4477AD72D9436EFAD02C0EBE236DAB1',232905);
INSERT INTO "_sqlx_migrations" VALUES(13,'statement costs','2026-11-27 16:42:03',1,X'BD33914A6A35DCC55AEE37866700681EE0705D708E9B5B94553FF85F0B55E4B838CE68E53FE114848CD96614FFFC11BD',370901);
CREATE TABLE accounts (
  account_id TEXT NOT NULL PRIMARY KEY,
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "accounts" VALUES('32743274-3274-4274-8274-327432743274',1795797723895);
INSERT INTO "accounts" VALUES('19ff6f08-773f-48c8-b0d2-804bc750e6db',1795797724271);
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
INSERT INTO "audit_events" VALUES(1,3274327432743274,'4f1f7a2e-93bf-4291-8d4d-0804be82e24d',1795797723959,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','4c4d8f93-9d75-49cf-83a9-f86bf04a5daa','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(2,3274327432743274,'1d4e4f85-28bc-4b18-bade-2f26ac7404ff',1795797723959,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','4c4d8f93-9d75-49cf-83a9-f86bf04a5daa','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"3727185954998293","targetUserName":"aaec14cc-360c-45c9-bf7c-4313a67515f6"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(3,3274327432743274,'cb3ee8fc-3d9b-44b2-90fa-51750b291923',1795797723966,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','8c138e37-e254-4fcb-a6d1-be0238073953','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"3378700997650483","targetUserName":"0e501d0c-ba6c-418b-973a-e16438ccb391"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(4,3274327432743274,'dd80e669-22d2-4194-b480-006261859479',1795797723970,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','7eae03fd-d905-48aa-9431-1c1b74988708','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"4127825098615543","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(5,3274327432743274,'eebb7fbc-e261-4334-bfad-ddaf8dd9d0da',1795797723979,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','165d49a8-e367-4b1c-bdce-d62dd636ffdc','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"8270836544099850","targetGroupName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(6,3274327432743274,'1c4ce592-c71c-444e-bb3d-b55765415620',1795797723979,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','165d49a8-e367-4b1c-bdce-d62dd636ffdc','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"8270836544099850","targetGroupName":"inner","targetUserId":"3727185954998293","targetUserName":"aaec14cc-360c-45c9-bf7c-4313a67515f6"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(7,3274327432743274,'5b2acd32-bc6e-4a60-bbbf-6cfb8d2bfc51',1795797723979,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','165d49a8-e367-4b1c-bdce-d62dd636ffdc','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"8270836544099850","targetGroupName":"inner","targetUserId":"4127825098615543","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(8,3274327432743274,'d91d363d-f22e-4f57-9042-a92ab95ed20c',1795797723986,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','74f1a113-6ee6-4b97-a32a-78f71b325aba','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"8832597665694868","targetGroupName":"outer"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(9,3274327432743274,'4b2ee885-5cc5-4d40-a218-e4cc06207e4f',1795797723986,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','74f1a113-6ee6-4b97-a32a-78f71b325aba','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"8832597665694868","targetGroupName":"outer","targetUserId":"8270836544099850","targetUserName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(10,3274327432743274,'775daac8-09d8-4c67-b7a5-2d1d5070d569',1795797723991,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','b213383c-11f4-4129-8c9d-16f1a4b6b3c7','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"3378700997650483"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(11,3274327432743274,'5139b436-f7f9-48c7-bb7d-ce52584287bd',1795797723991,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','b213383c-11f4-4129-8c9d-16f1a4b6b3c7','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"8832597665694868"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(12,3274327432743274,'18980d94-8719-4823-a9de-e3c5df3f43fe',1795797724003,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','df42121d-bf82-425c-9944-9c1c379eca87','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"2510969072501275","tokenExpirationTime":"1798389724003","tokenHash":"a1b0041e3350f0083540bcc9c8b13d219cde4067442edd87b1cfc7c2803b9d61","tokenId":"a1b0041e3350f0083540bcc9c8b13d219cde4067442edd87b1cfc7c2803b9d61","userId":"3727185954998293"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(13,3274327432743274,'59528d21-d6a2-4a10-9b0b-7c06c3202f11',1795797724008,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','ebaa84f5-2155-497c-9858-e8a1ce5033c8','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"2510969072501275","tokenExpirationTime":"1798389724008","tokenHash":"d84c70ef2dde2983d610dc130e417b71560762ea0d47898d26b1580a89810f7d","tokenId":"d84c70ef2dde2983d610dc130e417b71560762ea0d47898d26b1580a89810f7d","userId":"3378700997650483"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(14,3274327432743274,'d1497681-7cd0-4318-acda-fac8cba449df',1795797724011,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','088f6119-6db8-4abc-8896-6b0d0aea49de','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"1049292910755376"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(15,3274327432743274,'2970c358-db39-4001-8f39-37b924c9c9cd',1795797724011,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','088f6119-6db8-4abc-8896-6b0d0aea49de','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"3378700997650483"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(16,3274327432743274,'e105115c-8d20-4c7e-bfa5-fab6e33773a6',1795797724014,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','3d981988-f66f-4916-810c-5f9afbb60b50','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"2510969072501275","tokenExpirationTime":"1795801324014","tokenHash":"cddbdf528417a1521284ec251119b888060de72952d0d19d968029f923ad4fdb","tokenId":"cddbdf528417a1521284ec251119b888060de72952d0d19d968029f923ad4fdb","userId":"2510969072501275"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(17,3274327432743274,'601cc4a6-e81e-4226-9f2b-8a781c4b4238',1795797724017,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','ae0d7835-b21d-42f1-82ce-2cc7c7b64365','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"2510969072501275","tokenExpirationTime":"1858869724017","tokenHash":"8ee818ad24af1d46555e99f0ce92fb7c250e741ae8fec5f53fae89f1a9f85795","tokenId":"8ee818ad24af1d46555e99f0ce92fb7c250e741ae8fec5f53fae89f1a9f85795","userId":"2510969072501275"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(18,3274327432743274,'e85fb46c-4ff6-4825-9285-f06a38f333b8',1795797724020,'32743274-3274-4274-8274-327432743274','accounts','revokeDbToken','admin@example.com','96497cbc-a34a-4a39-b5e5-4f0021cd8408','127.0.0.1','Python-urllib/3.11','{"tokenHash":"8ee818ad24af1d46555e99f0ce92fb7c250e741ae8fec5f53fae89f1a9f85795","tokenId":"8ee818ad24af1d46555e99f0ce92fb7c250e741ae8fec5f53fae89f1a9f85795","userId":"2510969072501275"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(19,3274327432743274,'50bfa3a8-91c4-4193-b54e-7483d7bf8b7e',1795797724023,'32743274-3274-4274-8274-327432743274','workspace','workspaceConfEdit','admin@example.com','5419de57-2142-4955-b5df-05ebc6a228f2','127.0.0.1','Python-urllib/3.11','{"workspaceConfKeys":"maxTokenLifetimeDays","workspaceConfValues":"60"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(20,3274327432743274,'c1cb7c17-cf3e-4559-9141-e61e39220396',1795804924032,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','99cb4e9d-c5c8-42fb-8422-84942057f21b','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(21,3274327432743274,'409c266f-f788-4bc9-a148-3ef38457ac39',1795804924032,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','99cb4e9d-c5c8-42fb-8422-84942057f21b','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"2510969072501275","tokenExpirationTime":"1800124924032","tokenHash":"425327eb1b0ed6aaf7d935881ead6a3f2ff0bb613c832dd6944af36b5e716324","tokenId":"425327eb1b0ed6aaf7d935881ead6a3f2ff0bb613c832dd6944af36b5e716324","userId":"2510969072501275"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(22,3274327432743274,'02891aef-efbb-455f-974c-402413723b04',1795804924063,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','6919bdcd-1555-47a0-b6fe-0aaf6a296aa2','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"2510969072501275","tokenExpirationTime":"1800988924063","tokenHash":"09e3bad3bad5490eb8268eaa1fad1cd0b3e9068911d34f7bf0b8e5e664361cb0","tokenId":"09e3bad3bad5490eb8268eaa1fad1cd0b3e9068911d34f7bf0b8e5e664361cb0","userId":"2510969072501275"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(23,3274327432743274,'87afb773-48e9-46d9-8a41-6a4b142944a6',1795804924076,'32743274-3274-4274-8274-327432743274','servicePrincipalCredentials','create','admin@example.com','44f7610e-ad9a-485f-ae6e-968a89e5c464','127.0.0.1','Python-urllib/3.11','{"secret_id":"9c8b098d-e228-4045-801b-88c4fd51dc6a","service_principal":"3727185954998293"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(24,3274327432743274,'ab9944eb-bbfb-4ff4-b20d-ba20ea06eb4e',1795804924082,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','aaec14cc-360c-45c9-bf7c-4313a67515f6','61dcb8dd-6f88-4d3b-9af9-a7563611f143','127.0.0.1','Python-urllib/3.11','{"client_id":"aaec14cc-360c-45c9-bf7c-4313a67515f6","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(25,3274327432743274,'08aa39e5-99b2-4edd-8258-eeb4c9f2326a',1795804924261,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','32743274-3274-4274-8274-327432743275','d217d33c-1cb9-483f-bbba-e72328155c7e','127.0.0.1','Python-urllib/3.11','{"client_id":"32743274-3274-4274-8274-327432743275","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(26,3274327432743274,'06a5f4c2-fbd9-4f91-9a19-2543b02fb282',1795804924267,'32743274-3274-4274-8274-327432743274','accounts','setSetting','32743274-3274-4274-8274-327432743275','612142b6-99fc-47e4-8f27-3dea0a8561b5','127.0.0.1','Python-urllib/3.11','{"settingTypeName":"restrict_workspace_admins","settingValueForAudit":"RESTRICT_TOKENS_AND_JOB_RUN_AS"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(27,42,'035c7700-5334-4cc4-8d28-77e6d82f3db7',1795797724282,'19ff6f08-773f-48c8-b0d2-804bc750e6db','accounts','tokenLogin','admin@example.com','d0e8606f-3f91-437e-91f4-7321677c3e49','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(28,42,'7e2d396f-652b-4d5a-8a3a-d6417f079275',1795797724282,'19ff6f08-773f-48c8-b0d2-804bc750e6db','accounts','generateDbToken','admin@example.com','d0e8606f-3f91-437e-91f4-7321677c3e49','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1836175696423360","tokenExpirationTime":"1858869724282","tokenHash":"f3011c7a2a3d15919c53e751785de8eab339b21f9765c1a8be307cd754762d30","tokenId":"f3011c7a2a3d15919c53e751785de8eab339b21f9765c1a8be307cd754762d30","userId":"1836175696423360"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(29,42,'5a947040-fdee-4eeb-a058-91d349250d68',1795797724289,'19ff6f08-773f-48c8-b0d2-804bc750e6db','accounts','generateDbToken','admin@example.com','3c9d1ba7-d85f-4223-b96f-b5bda5c58379','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1836175696423360","tokenExpirationTime":"1858869724289","tokenHash":"4b50455d1a188a0a1459f549a05febc86dd45cbf8e679e1516676d7f9e9fe8dc","tokenId":"4b50455d1a188a0a1459f549a05febc86dd45cbf8e679e1516676d7f9e9fe8dc","userId":"1836175696423360"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(30,3274327432743274,'2e1d8674-a9f5-4836-834e-75e6fb930646',1795804924301,'32743274-3274-4274-8274-327432743274','accounts','oidcBrowserLogin','admin@example.com','1ff77d5e-c08c-49ff-971e-0ace58b5ce30','127.0.0.1','Python-urllib/3.11','{"user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(31,3274327432743274,'1ae8cb33-4221-42a5-bb77-90b4f872ec6a',1795804924306,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','admin@example.com','02c5948c-8df6-42a6-83ba-e973d1797175','127.0.0.1','Python-urllib/3.11','{"client_id":"databricks-cli","expires_in":"3600","grant_type":"authorization_code","scope":"offline_access all-apis"}',200,NULL,0);
CREATE TABLE checkpoint_rows (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  table_name      TEXT    NOT NULL,
  is_account      INTEGER NOT NULL,
  content         TEXT    NOT NULL
) STRICT;
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspaces',0,'{"workspace_id":3274327432743274,"account_id":"32743274-3274-4274-8274-327432743274","name":"dapi-mock","deployment_name":"dapi-mock","created_at":1795797723895,"is_default":1,"admins_group_id":3526476118821668,"users_group_id":1049292910755376,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":1049292910755376,"workspace_id":3274327432743274,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797723895}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":3526476118821668,"workspace_id":3274327432743274,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797723895}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":1756938103115994,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795797723895}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":2510969072501275,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797723895}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":7644080328064617,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797723895}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":3526476118821668,"member_id":1756938103115994}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":3526476118821668,"member_id":2510969072501275}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":1049292910755376,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":1756938103115994,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":2510969072501275,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":3526476118821668,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":7644080328064617,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','token_acl',0,'{"workspace_id":3274327432743274,"principal_id":1049292910755376,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','tokens',0,'{"token_id":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","workspace_id":3274327432743274,"owner_id":2510969072501275,"created_by_id":2510969072501275,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795797723897,"expiry_time":1858869723897,"last_used_at":null,"last_client":null,"idle_from":1795797723897,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','oauth_secrets',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":1756938103115994,"secret_id":"a1372491-ba00-4a13-9cbc-4869f8725ec7","secret_hash":"a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32","created_at":1795797723897,"expires_at":1858869723897}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspaces',0,'{"workspace_id":42,"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","name":"workspace-42","deployment_name":"workspace-42","created_at":1795797724271,"is_default":0,"admins_group_id":4554899826339755,"users_group_id":2381552634443820,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","principal_id":2381552634443820,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797724271}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","principal_id":4554899826339755,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797724271}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","principal_id":1836175696423360,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797724271}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","principal_id":3284327476105019,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795797724271}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","principal_id":6594970760602425,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797724271}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","group_id":4554899826339755,"member_id":1836175696423360}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","group_id":4554899826339755,"member_id":3284327476105019}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":1836175696423360,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":2381552634443820,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":3284327476105019,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":4554899826339755,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":6594970760602425,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','token_acl',0,'{"workspace_id":42,"principal_id":2381552634443820,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":1836175696423360,"created_by_id":1836175696423360,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795797724273,"expiry_time":1858869724273,"last_used_at":null,"last_client":null,"idle_from":1795797724273,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','oauth_secrets',1,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","principal_id":3284327476105019,"secret_id":"868c193e-5798-4a4c-8e4d-839145c96429","secret_hash":"ec2e2640f32f355f19bf38bc3e63e51b563bda8fba9788d30f11c9dc1abfcfa3","created_at":1795797724273,"expires_at":1858869724273}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspaces',0,'{"workspace_id":42,"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","name":"workspace-42","deployment_name":"workspace-42","created_at":1795797724271,"is_default":0,"admins_group_id":4554899826339755,"users_group_id":2381552634443820,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","principal_id":2381552634443820,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797724271}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","principal_id":4554899826339755,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797724271}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","principal_id":1836175696423360,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797724271}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","principal_id":3284327476105019,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795797724271}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","principal_id":6594970760602425,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797724271}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","group_id":4554899826339755,"member_id":1836175696423360}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","group_id":4554899826339755,"member_id":3284327476105019}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":1836175696423360,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":2381552634443820,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":3284327476105019,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":4554899826339755,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":6594970760602425,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','token_acl',0,'{"workspace_id":42,"principal_id":2381552634443820,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":1836175696423360,"created_by_id":1836175696423360,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795797724273,"expiry_time":1858869724273,"last_used_at":1795797724282,"last_client":"Python-urllib/3.11","idle_from":1795797724282,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"f3011c7a2a3d15919c53e751785de8eab339b21f9765c1a8be307cd754762d30","workspace_id":42,"owner_id":1836175696423360,"created_by_id":1836175696423360,"created_by_username":"admin@example.com","comment":"kept","creation_time":1795797724282,"expiry_time":1858869724282,"last_used_at":null,"last_client":null,"idle_from":1795797724282,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":27,"workspace_id":42,"event_id":"035c7700-5334-4cc4-8d28-77e6d82f3db7","event_time":1795797724282,"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","service_name":"accounts","action_name":"tokenLogin","actor":"admin@example.com","request_id":"d0e8606f-3f91-437e-91f4-7321677c3e49","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"authenticationMethod\":\"API_EXT_PAT_TOKEN\",\"tokenId\":\"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d\",\"user\":\"admin@example.com\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":28,"workspace_id":42,"event_id":"7e2d396f-652b-4d5a-8a3a-d6417f079275","event_time":1795797724282,"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","service_name":"accounts","action_name":"generateDbToken","actor":"admin@example.com","request_id":"d0e8606f-3f91-437e-91f4-7321677c3e49","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"tokenCreatedBy\":\"1836175696423360\",\"tokenExpirationTime\":\"1858869724282\",\"tokenHash\":\"f3011c7a2a3d15919c53e751785de8eab339b21f9765c1a8be307cd754762d30\",\"tokenId\":\"f3011c7a2a3d15919c53e751785de8eab339b21f9765c1a8be307cd754762d30\",\"userId\":\"1836175696423360\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','oauth_secrets',1,'{"account_id":"19ff6f08-773f-48c8-b0d2-804bc750e6db","principal_id":3284327476105019,"secret_id":"868c193e-5798-4a4c-8e4d-839145c96429","secret_hash":"ec2e2640f32f355f19bf38bc3e63e51b563bda8fba9788d30f11c9dc1abfcfa3","created_at":1795797724273,"expires_at":1858869724273}');
CREATE TABLE checkpoints (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  created_at      INTEGER NOT NULL,
  has_account     INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, checkpoint_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "checkpoints" VALUES(42,'before',1795797724286,1);
INSERT INTO "checkpoints" VALUES(42,'empty',1795797724274,1);
INSERT INTO "checkpoints" VALUES(3274327432743274,'empty',1795797723898,1);
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
INSERT INTO "decoys" VALUES(3274327432743274,'acd5ee802072ab96b754398e1cd8f5237ac8b8ad0914bc9d2254bd048e8d7069','bait',1795804924293,0,NULL,NULL,NULL);
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
INSERT INTO "group_members" VALUES('19ff6f08-773f-48c8-b0d2-804bc750e6db',4554899826339755,1836175696423360);
INSERT INTO "group_members" VALUES('19ff6f08-773f-48c8-b0d2-804bc750e6db',4554899826339755,3284327476105019);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',3526476118821668,1756938103115994);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',3526476118821668,2510969072501275);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',8270836544099850,3727185954998293);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',8270836544099850,4127825098615543);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',8832597665694868,8270836544099850);
CREATE TABLE oauth_keys (
  kid         TEXT    NOT NULL PRIMARY KEY,
  account_id  TEXT    NOT NULL REFERENCES accounts (account_id),
  -- The RSA modulus as in a JWK; the exponent is 65537.
  modulus     TEXT    NOT NULL,
  -- PKCS#8 in base64.
  private_key TEXT    NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO "oauth_keys" VALUES('699cd60e1c1dbf6f9ba79e94e5c9d7aa443550456b70e0dd7d9968e5523a2f92','32743274-3274-4274-8274-327432743274','ozuH5nHNKXtCXpNLu5-osclBDhdQl9zuOWt7nADkEk9W2_tZPSZ8tmMX7bMrcLmwTYIiVuooCHkgC64m7cJ0b5DkRvwSFjq9SmFZFCLLMWJZawnkvP1AVFrGc4oYUeW5b-HZ16mKnyXiP0Pf6kBvRdsgoDH8Mu6Q4ZB2xsYeoXw6pNSgTVbzjB5nxOCbM9xQn7FKmNYoIKX_9PYpNm62GfMZhuWltl7NTC_1UM47gE-H23VBe0pDgrqVlpY8NBSKWoVYOmsmeRXIQHFqhhWN0V3pv1ZP6whGh-WQwYWzLUMJhWU475DSGusBrgNGCd0cKJ30os9r_7ISDxvf7gudEw','MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCjO4fmcc0pe0Jek0u7n6ixyUEOF1CX3O45a3ucAOQST1bb+1k9Jny2YxftsytwubBNgiJW6igIeSALribtwnRvkORG/BIWOr1KYVkUIssxYllrCeS8/UBUWsZzihhR5blv4dnXqYqfJeI/Q9/qQG9F2yCgMfwy7pDhkHbGxh6hfDqk1KBNVvOMHmfE4Jsz3FCfsUqY1iggpf/09ik2brYZ8xmG5aW2Xs1ML/VQzjuAT4fbdUF7SkOCupWWljw0FIpahVg6ayZ5FchAcWqGFY3RXem/Vk/rCEaH5ZDBhbMtQwmFZTjvkNIa6wGuA0YJ3RwonfSiz2v/shIPG9/uC50TAgMBAAECggEAVFPP3IRUKibsXbGYwWA1JUvEWQRAdYQEahOV8z0eljr4s4LBUm8MpKjC1uDmA0FazF/7X41uixoQLRiWMeRwhKaE2AsnSOalncR24YksEeIuMbcVvXDUCAAxX8Uq1TxptVwnT1veKmPG40osZndNRPh0fW31TVaj8HPSeNQnROL2XzEIjAhO11fhwRlWSsH+TnhleLF/U+R7qdFU1IyHq/sx+sQmrghp1DJd6noyrVPyZkE6YB7BnzNNTu14+g7iBtjsikiMA+bhjNT/NEPOYd78sj9tf+EE/PwDNUiPKYUWAFAXkVAsAta/fOTAeVzJVfclPI1y2S0AMEQMrUVTMQKBgQDBqVl2H1MIio39QMBZgzkwVDAjWl4/aa+PC4WmJd14F9hR+7w3NPXh1X0bBYtbjM3YaCWN4RWBNvFMZicrFCwAdpMCIj/Y/PECUi4F4CP1PNnL5aJAXESvfBUVN+8Z78GnWlu8XRbcOx7zwHMYUecIqVPUifFTwmTumy66U8KtOQKBgQDXxq+HNHGEy9gDMTljGi6ZjPTkqrcHpvjdL6kYXo0NOCsU7OO4sdqUu2ArhIlb+UsziSajsOGUe6RK52L6LB7rEbUcOCUVySAJU3NqBbLonjbd8PXxi35gLKUptTAgK2T42E8iQ/pVD+7/9xLJx/tCBAP0rtTcAnnpyfx9MHkoqwKBgCrBfcvTbJyVInYIRq88hnLCE4Kqn+Y2KhlVvOMKtxOdiBfJkStLGQIMBTvjBHpo4sVlcO0bBYlqnOl2IC2lnXVYuGofL6NzbK5LgHexnZ62GYunniPBezSXG3x8xeAfC80r6Nb0Ymiq8NF16rMy2eQSpjxlXA9W+runLTDb7z4ZAoGBAJFdOe01KHDVPw5PgCDCh7hMXMMcOzf9hdTFAf7328CXIXb0bCmGMAJZBV3r6Pm8RaxPbmeCh0YX0cPghC6TwLSOdluve1Rk7Z86yBsaAcByrfXxGk+CsT2rdg1WEjjp4xk96HnmH+RkWpe4ZMDpZ9y+hce2bJJXXLhiqiXQnR8HAoGADmP4HO6x9n6I/7bWTIzPrUzI6IwUHaCi9Iw7B7cjHh76hHSjXrShEGdqouvR8e0E6z1RvkCiNNTi9XMSAtAP3edE7WDNyjrz1iwuxtwF5KpGl8HwaQ4FTmtQfpPHdu4aYPftEJgrmadQ8QmB/yhFd7h3SVeX3Zvokw5lWsB6v30=',1795797724235);
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
INSERT INTO "oauth_secrets" VALUES('19ff6f08-773f-48c8-b0d2-804bc750e6db',3284327476105019,'868c193e-5798-4a4c-8e4d-839145c96429','ec2e2640f32f355f19bf38bc3e63e51b563bda8fba9788d30f11c9dc1abfcfa3',1795797724273,1858869724273);
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',1756938103115994,'a1372491-ba00-4a13-9cbc-4869f8725ec7','a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32',1795797723897,1858869723897);
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',3727185954998293,'9c8b098d-e228-4045-801b-88c4fd51dc6a','44476ff71a47da25a209faf8b4e7d9010653b777d1e7cb41fa05306dc8011d75',1795804924076,1858876924076);
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
INSERT INTO "principals" VALUES('19ff6f08-773f-48c8-b0d2-804bc750e6db',1836175696423360,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795797724271);
INSERT INTO "principals" VALUES('19ff6f08-773f-48c8-b0d2-804bc750e6db',2381552634443820,42,'group','users','users','users',1,0,NULL,'{}',1795797724271);
INSERT INTO "principals" VALUES('19ff6f08-773f-48c8-b0d2-804bc750e6db',3284327476105019,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795797724271);
INSERT INTO "principals" VALUES('19ff6f08-773f-48c8-b0d2-804bc750e6db',4554899826339755,42,'group','admins','admins','admins',1,0,NULL,'{}',1795797724271);
INSERT INTO "principals" VALUES('19ff6f08-773f-48c8-b0d2-804bc750e6db',6594970760602425,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795797724271);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',1049292910755376,3274327432743274,'group','users','users','users',1,0,NULL,'{}',1795797723895);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',1756938103115994,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795797723895);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',2510969072501275,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795797723895);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',3378700997650483,0,'service_principal','0e501d0c-ba6c-418b-973a-e16438ccb391','0e501d0c-ba6c-418b-973a-e16438ccb391','locked out',1,0,NULL,'{}',1795797723967);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',3526476118821668,3274327432743274,'group','admins','admins','admins',1,0,NULL,'{}',1795797723895);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',3727185954998293,0,'service_principal','aaec14cc-360c-45c9-bf7c-4313a67515f6','aaec14cc-360c-45c9-bf7c-4313a67515f6','robot',1,0,NULL,'{}',1795797723961);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',4127825098615543,0,'user','ann@example.com','ann@example.com','Ann',1,0,NULL,'{"emails":[{"value":"ann@example.com","type":"work","primary":true}]}',1795797723971);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',7644080328064617,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795797723895);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8270836544099850,3274327432743274,'group','inner','inner','inner',1,0,NULL,'{}',1795797723979);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8832597665694868,3274327432743274,'group','outer','outer','outer',1,0,NULL,'{}',1795797723986);
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
INSERT INTO "sign_ins" VALUES('000bc49d-25cf-4722-8d69-6942e4f4aa79',3274327432743274,'32743274-3274-4274-8274-327432743274',0,'databricks-cli','http://localhost:8020','s','offline_access all-apis','y5UF_tmp_ICTDGza-Ou2vUvx2cu7DBN-Xwf_z0RDfTw','redeemed',2510969072501275,'5e4ea2658bad387b99b5f8843f893040069c34887dfb61e34db83507a211eac7','df17c3c7241c61479d63d2387d55a9f4aa7f34453b634107d51c64b3f0d49cce',1796409724306);
CREATE TABLE token_acl (
  workspace_id     INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id     INTEGER NOT NULL,
  permission_level TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "token_acl" VALUES(42,2381552634443820,'CAN_USE');
INSERT INTO "token_acl" VALUES(3274327432743274,8832597665694868,'CAN_USE');
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
INSERT INTO "tokens" VALUES('09e3bad3bad5490eb8268eaa1fad1cd0b3e9068911d34f7bf0b8e5e664361cb0',3274327432743274,2510969072501275,2510969072501275,'admin@example.com','scoped',1795804924063,1800988924063,NULL,NULL,1795804924063,'["sql"]','AUTOSCOPE_STATE_USER_SELECTED',NULL);
INSERT INTO "tokens" VALUES('425327eb1b0ed6aaf7d935881ead6a3f2ff0bb613c832dd6944af36b5e716324',3274327432743274,2510969072501275,2510969072501275,'admin@example.com','with ''quotes'' and ünïcode',1795804924032,1800124924032,NULL,NULL,1795804924032,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d',42,1836175696423360,1836175696423360,'admin@example.com','dapi-mock admin token',1795797724273,1858869724273,1795797724282,'Python-urllib/3.11',1795797724282,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('4b50455d1a188a0a1459f549a05febc86dd45cbf8e679e1516676d7f9e9fe8dc',42,1836175696423360,1836175696423360,'admin@example.com','after',1795797724289,1858869724289,NULL,NULL,1795797724289,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('a1b0041e3350f0083540bcc9c8b13d219cde4067442edd87b1cfc7c2803b9d61',3274327432743274,3727185954998293,2510969072501275,'admin@example.com','of the robot',1795797724003,1798389724003,NULL,NULL,1795797724003,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0',3274327432743274,2510969072501275,2510969072501275,'admin@example.com','dapi-mock admin token',1795797723897,1858869723897,1795804924032,'Python-urllib/3.11',1795804924032,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('cddbdf528417a1521284ec251119b888060de72952d0d19d968029f923ad4fdb',3274327432743274,2510969072501275,2510969072501275,'admin@example.com','short',1795797724014,1795801324014,NULL,NULL,1795797724014,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('d84c70ef2dde2983d610dc130e417b71560762ea0d47898d26b1580a89810f7d',3274327432743274,3378700997650483,2510969072501275,'admin@example.com','locked out',1795797724008,1798389724008,NULL,NULL,1795797724008,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('f3011c7a2a3d15919c53e751785de8eab339b21f9765c1a8be307cd754762d30',42,1836175696423360,1836175696423360,'admin@example.com','kept',1795797724282,1858869724282,NULL,NULL,1795797724282,NULL,NULL,NULL);
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
INSERT INTO "tombstones" VALUES('8ee818ad24af1d46555e99f0ce92fb7c250e741ae8fec5f53fae89f1a9f85795',3274327432743274,2510969072501275,2510969072501275,'admin@example.com','revoked',1795797724017,1858869724017,NULL,NULL,1795797724020,'revoked_by_owner','admin@example.com');
CREATE TABLE workspace_assignments (
  workspace_id INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id INTEGER NOT NULL,
  active       INTEGER NOT NULL,
  entitlements TEXT    NOT NULL,
  roles        TEXT    NOT NULL, direct INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_assignments" VALUES(42,1836175696423360,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,2381552634443820,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,3284327476105019,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,4554899826339755,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,6594970760602425,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,1049292910755376,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,1756938103115994,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,2510969072501275,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,3378700997650483,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,3526476118821668,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,3727185954998293,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,4127825098615543,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,7644080328064617,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8270836544099850,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8832597665694868,1,'[]','[]',1);
CREATE TABLE workspace_conf (
  workspace_id   INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  conf_key       TEXT    NOT NULL,
  conf_value     TEXT    NOT NULL,
  -- What applies before effective_at (propagation delay); NULL when it was unset.
  previous_value TEXT,
  effective_at   INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, conf_key)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_conf" VALUES(3274327432743274,'maxTokenLifetimeDays','60',NULL,1795797724023);
CREATE TABLE workspace_settings (
  workspace_id  INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  setting_name  TEXT    NOT NULL,
  setting_value TEXT    NOT NULL,
  etag          TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, setting_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_settings" VALUES(3274327432743274,'restrict_workspace_admins','RESTRICT_TOKENS_AND_JOB_RUN_AS','2a453519-1d60-4565-8ec7-f873adb9d14d');
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
INSERT INTO "workspaces" VALUES(42,'19ff6f08-773f-48c8-b0d2-804bc750e6db','workspace-42','workspace-42',1795797724271,0,4554899826339755,2381552634443820,'real',0,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}',NULL,NULL,0,7079546450018680);
INSERT INTO "workspaces" VALUES(3274327432743274,'32743274-3274-4274-8274-327432743274','dapi-mock','dapi-mock',1795797723895,1,3526476118821668,1049292910755376,'offset',7200000,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}',NULL,NULL,0,4161629050496561);
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit_events',31);
COMMIT;
