-- {"users": ["ann@example.com"], "groups": {"inner": ["4924160849983920", "6658883411082905"], "outer": ["6068993062536432"]}, "robot": {"value": "dapi18bcbd3ab5df54b8c4eb48810d1670d3", "id": "bce29bc6fd0e978d6ec83db92efcb8f8b236fd806ff495018ae3de840ee03657"}, "suspended": {"value": "dapi45583f5db9dc6a84dae252567b9e922c", "id": "7a79d0f1cd59918b53cfdbbcde03995c9f52d6bd1c11601359893442d76545a4"}, "expired": {"value": "dapi5990bdf8e6725dd42982c140edce719a", "id": "a53f7fc66e423be073612fee817a2bfd259387352cd6e7e901fd46269ce45404"}, "revoked": {"value": "dapid11f2f1dc13ca295193b301f9962ea88", "id": "92817905aefa7cde6d57071e2e18077f970392c010fcc9853bfff97f24e4ec89"}, "conf": {"maxTokenLifetimeDays": "60"}, "live": {"value": "dapi032b5c03eb347ea56be8a8d5aedbbe82", "id": "01b9896a70c000c7a4d2b47dc96a057915464621d262198a816350ffb49a4fde"}, "scoped": {"value": "dapieac41985ac10a6f66a85d53bb48eb498", "id": "cf6d2859785cd6cc6e21eb5e6ae350ece857a8a43edd0483eb1d7138bde0acc5"}, "client": ["00c86c19-21f9-481d-b426-5b700cbc88a9", "dose301a0cec42c9f2443d1a100c509f95e0"], "access_token": "eyJraWQiOiI3YzQ5ZWJhYTgwOTI5NmI1NmE2ZTlmZDg3OTIxMDEwNTZkOGI0ZTgyNWExOTEyNmFiZmQ3ZjBlMTkxYWU5ODRhIiwidHlwIjoiYXQrand0IiwiYWxnIjoiUlMyNTYifQ.eyJjbGllbnRfaWQiOiIwMGM4NmMxOS0yMWY5LTQ4MWQtYjQyNi01YjcwMGNiYzg4YTkiLCJzY29wZSI6ImFsbC1hcGlzIiwiaXNzIjoiaHR0cDovLzEyNy4wLjAuMTozOTI3NS9vaWRjIiwiYXVkIjoiMzI3NDMyNzQzMjc0MzI3NCIsInN1YiI6IjAwYzg2YzE5LTIxZjktNDgxZC1iNDI2LTViNzAwY2JjODhhOSIsImlhdCI6MTc5NTgwNDIyOCwiZXhwIjoxNzk1ODA3ODI4LCJqdGkiOiIzZmQxNWE0OC1lMzlkLTQwZWEtODIzNC04ZmI1NDIyYjE3MDgifQ.S_MigcWpmUbXgMnrSpQJNru1yBQ2Houajsz0mb_E7m-XpQIdlr_RXLO2SUqA0MLnOQ5RhN2KXyQBho4z295SkUkFdyXnLnTl8C_LZLxfpWHqsyrThNfO8P1mP603QIv8ym-gKHaqALfstElsTck0cwuMrrU3l0MLct2ZxWMZjKf7bj8aOfdS5Ci7_uk6wVsWxIdfiskPoZ565Mi4zoF-5rLwtXbeJa4mq7bb8Tg0xpz28Vv3FLD20zRhpv5Ir6vbvE0VdYkdjd8jM9XIa7LCeqMLfAqJWCerG3EKE8tqJS6lm1Da8wveIgI98zatjaq2_KmLR8geL92fNSENt2no7Q", "setting": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "checkpoint": {"kept": "dapi96f872f2c9ed6f8b8d8ff40df01f4f89", "lost": "dapi8cce52d35b95816597bbf11fc91dac26"}, "decoy": "dapicb8b5877cc6cb3eb2c97f107e2e82a25", "fault": "/api/2.0/token/list", "refresh_token": "dort557da6722cbf4deb947c0ca73070c23db60775e06c7f580e12e80932f9551d7fb36713990176aa6a4f0c9a754401ba50", "audit_events": 28, "made_at": 1795797029432}
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
INSERT INTO "_sqlx_migrations" VALUES(1,'init','2026-11-27 16:30:28',1,X'981439543882C3FB1DE3D3AA4716A6208DD9611E2D48D86FA3CC35F0CA5CA6742EDEEA0188E57599BCD4971037026B42',900165);
INSERT INTO "_sqlx_migrations" VALUES(2,'oauth','2026-11-27 16:30:28',1,X'77D0503C26CA224047803B819A9EA5663A33EF1E291FB41C2D60B60CB1DA953D25C6BF71D65ED89CA85AECC529A00027',365252);
INSERT INTO "_sqlx_migrations" VALUES(3,'settings','2026-11-27 16:30:28',1,X'6F7B1CDA212365348C1CAC21FBB20B25FF88804DC6172E8B629BBE39A85F19719D51BCB9DB9A07F3F2757288B898A058',313765);
INSERT INTO "_sqlx_migrations" VALUES(4,'sign in','2026-11-27 16:30:28',1,X'6F3CD001B411185F9BB278458A3377E79F23656E19BEF0F0F7E90817424EAA0C3BD8BA475BB82DE1D24E34BF50B49B6A',287006);
INSERT INTO "_sqlx_migrations" VALUES(5,'account','2026-11-27 16:30:28',1,X'DD03D837E99211F95C8CBB13F8679DE062C81CB893AC2D8729CD12831B50C21FA67C19CAC6C66604D0E0E74EAF39984A',17320648);
INSERT INTO "_sqlx_migrations" VALUES(6,'token report','2026-11-27 16:30:28',1,X'D686BE899BB408A853C1C3926F1DB5C8921CDA28685BA0C95735D876ADF1AB481A5B5A14C676D39D86C5837683834682',474433);
INSERT INTO "_sqlx_migrations" VALUES(7,'worlds','2026-11-27 16:30:28',1,X'701D37E6D8DEF51D16BDA9A2D635D35A1DEBB7E3789B35E5FBD6D397B205DA562A01056FF62A8616D11DEC97DABA60FB',1215032);
INSERT INTO "_sqlx_migrations" VALUES(8,'faults','2026-11-27 16:30:28',1,X'250DBCF31BFA14A7E3D4EE1B4F1C3501E5598B45D85FA64787B6481FAAD2F23B822CB978CDCC01AB4F1AA01E6584D9BD',286886);
INSERT INTO "_sqlx_migrations" VALUES(9,'decoys','2026-11-27 16:30:28',1,X'066CFC4EEEE096DD9CF7108C1E08BDEBE5F2BBEFAB9F11AA9C583A0EB92CDD1E3B233DFF6D24F56B1417B4A1D64DDCC7',204023);
INSERT INTO "_sqlx_migrations" VALUES(10,'incarnation','2026-11-27 16:30:28',1,X'B32C0DC0D2F578CC6EFB991459E2B2B23E5BC11FB548BE6914C6836D7C5410EC05D0FBEA17F7EF85595642E5B061790D',464449);
INSERT INTO "_sqlx_migrations" VALUES(11,'page sessions','2026-11-27 16:30:28',1,X'59F95829DCE6D08386EE52F61F6B37B0C926E636F35D7488D58D644051A17053988E450892DCA0D9182906ABCBB70FD1',283481);
INSERT INTO "_sqlx_migrations" VALUES(12,'exchanges','2026-11-27 16:30:28',1,X'F4C105959376BBB13981DB29EEFC5C7CECE9B5A8321A9CAF4AC5779874973C5CB4477AD72D9436EFAD02C0EBE236DAB1',277731);
INSERT INTO "_sqlx_migrations" VALUES(14,'system time','2026-11-27 16:30:28',1,X'FF035ADEA2785BA64DFF70C59ED1DBBBF7A0B438423E46B9BA7CCD485C20BE42EBFA89A0FF50DF61A6C49FE8F2B01240',218925);
CREATE TABLE accounts (
  account_id TEXT NOT NULL PRIMARY KEY,
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "accounts" VALUES('32743274-3274-4274-8274-327432743274',1795797028078);
INSERT INTO "accounts" VALUES('4595e4c6-d849-4547-a066-af64f834fdde',1795797029197);
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
INSERT INTO "audit_events" VALUES(1,3274327432743274,'5475bb59-e22a-447e-a7e9-4b2436fb2989',1795797028134,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','942ee64a-7951-459b-9f19-9ff5fe3168eb','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(2,3274327432743274,'284ee9c4-3722-4126-a4d9-5c170dff7e1f',1795797028134,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','942ee64a-7951-459b-9f19-9ff5fe3168eb','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"4924160849983920","targetUserName":"00c86c19-21f9-481d-b426-5b700cbc88a9"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(3,3274327432743274,'9462fc7f-30de-432b-943d-11d847b3842d',1795797028141,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','a9ef91d5-1d4f-4b7f-8bec-9bd18d6cb7d0','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"1944716947622095","targetUserName":"0cbf4db6-e150-4eaf-834e-6cfc75bbf6b1"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(4,3274327432743274,'7a640ee1-0ca0-4c99-94c5-32b4ac3b659c',1795797028149,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','831fca5b-596e-476e-9302-23d23b60451d','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"6658883411082905","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(5,3274327432743274,'1e32f36c-a3ae-4011-b1e5-255faf152bf8',1795797028158,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','cb97f58c-7a9d-4252-844e-444ce9ed0b9e','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"6068993062536432","targetGroupName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(6,3274327432743274,'c1c64ae5-fbdb-4568-ad34-07345216950d',1795797028158,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','cb97f58c-7a9d-4252-844e-444ce9ed0b9e','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"6068993062536432","targetGroupName":"inner","targetUserId":"4924160849983920","targetUserName":"00c86c19-21f9-481d-b426-5b700cbc88a9"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(7,3274327432743274,'40d16573-de27-40d4-bad5-c5badc15b194',1795797028158,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','cb97f58c-7a9d-4252-844e-444ce9ed0b9e','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"6068993062536432","targetGroupName":"inner","targetUserId":"6658883411082905","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(8,3274327432743274,'38eb6939-3fc3-424d-be63-0be65bc3b06f',1795797028168,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','a1b8c11d-84fd-4ac5-8b2a-0ddcf8dc4ac2','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"6172233353567304","targetGroupName":"outer"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(9,3274327432743274,'ab80d3a2-b3b1-4e69-8f58-3d354c679007',1795797028168,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','a1b8c11d-84fd-4ac5-8b2a-0ddcf8dc4ac2','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"6172233353567304","targetGroupName":"outer","targetUserId":"6068993062536432","targetUserName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(10,3274327432743274,'3fc27471-b770-474e-8535-5e35ecc7e7b7',1795797028179,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','51d5aed5-9c73-44b9-97e4-8c8cf35da18e','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"1944716947622095"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(11,3274327432743274,'da2f9681-1d89-49a5-8e8b-5a7814bcdf78',1795797028179,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','51d5aed5-9c73-44b9-97e4-8c8cf35da18e','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"6172233353567304"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(12,3274327432743274,'bf6546d4-36f3-4a7d-b4bf-bb22981ba215',1795797028188,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','5bf5d050-7b7d-40af-93b8-00e470688ebe','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"4745212073650846","tokenExpirationTime":"1798389028188","tokenHash":"bce29bc6fd0e978d6ec83db92efcb8f8b236fd806ff495018ae3de840ee03657","tokenId":"bce29bc6fd0e978d6ec83db92efcb8f8b236fd806ff495018ae3de840ee03657","userId":"4924160849983920"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(13,3274327432743274,'83ec16bd-1c78-4224-a5bb-d0466c18683e',1795797028192,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','a101e65a-93d8-4742-addd-1b18008eb174','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"4745212073650846","tokenExpirationTime":"1798389028192","tokenHash":"7a79d0f1cd59918b53cfdbbcde03995c9f52d6bd1c11601359893442d76545a4","tokenId":"7a79d0f1cd59918b53cfdbbcde03995c9f52d6bd1c11601359893442d76545a4","userId":"1944716947622095"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(14,3274327432743274,'63e1e724-907e-43a5-85b5-1799f5e529e6',1795797028201,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','70eb2dd6-5c49-4e68-9e31-ddb81df4ac04','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"1944716947622095"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(15,3274327432743274,'485caef7-643a-4056-b69a-6b849281705a',1795797028201,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','70eb2dd6-5c49-4e68-9e31-ddb81df4ac04','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"6871885037614561"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(16,3274327432743274,'3d24b03d-f209-4348-8c3e-13508a56a7c2',1795797028208,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','f8290439-a0d8-4fef-ab7b-cd6d29322223','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"4745212073650846","tokenExpirationTime":"1795800628208","tokenHash":"a53f7fc66e423be073612fee817a2bfd259387352cd6e7e901fd46269ce45404","tokenId":"a53f7fc66e423be073612fee817a2bfd259387352cd6e7e901fd46269ce45404","userId":"4745212073650846"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(17,3274327432743274,'16152691-a44d-41ef-b3fa-4a087938bb41',1795797028215,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','33d16f58-f4ab-468a-9aa6-1d4d11290de2','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"4745212073650846","tokenExpirationTime":"1858869028215","tokenHash":"92817905aefa7cde6d57071e2e18077f970392c010fcc9853bfff97f24e4ec89","tokenId":"92817905aefa7cde6d57071e2e18077f970392c010fcc9853bfff97f24e4ec89","userId":"4745212073650846"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(18,3274327432743274,'20ed5d28-2f04-4748-b850-2510d0b92d11',1795797028230,'32743274-3274-4274-8274-327432743274','accounts','revokeDbToken','admin@example.com','d5d31095-0645-4a1c-9fa9-a1af3131dd02','127.0.0.1','Python-urllib/3.11','{"tokenHash":"92817905aefa7cde6d57071e2e18077f970392c010fcc9853bfff97f24e4ec89","tokenId":"92817905aefa7cde6d57071e2e18077f970392c010fcc9853bfff97f24e4ec89","userId":"4745212073650846"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(19,3274327432743274,'73d00363-0752-4ce5-b709-b5e5f988b2e2',1795797028291,'32743274-3274-4274-8274-327432743274','workspace','workspaceConfEdit','admin@example.com','72352b03-01fc-44ce-a414-057697e141ba','127.0.0.1','Python-urllib/3.11','{"workspaceConfKeys":"maxTokenLifetimeDays","workspaceConfValues":"60"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(20,3274327432743274,'48d9b356-f7a2-4569-81f7-e05b6ea0d3bd',1795804228387,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','3ccb35c4-3d4e-421f-9ce4-73dec0d86d16','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(21,3274327432743274,'2a9db869-edd6-4230-a0c5-03203c74eb6b',1795804228387,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','3ccb35c4-3d4e-421f-9ce4-73dec0d86d16','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"4745212073650846","tokenExpirationTime":"1800124228387","tokenHash":"01b9896a70c000c7a4d2b47dc96a057915464621d262198a816350ffb49a4fde","tokenId":"01b9896a70c000c7a4d2b47dc96a057915464621d262198a816350ffb49a4fde","userId":"4745212073650846"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(22,3274327432743274,'73d64d5d-b5f0-4662-bc08-a3f71d7b49a2',1795804228423,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','30b8e972-d9ca-4b71-9659-693cb9de5309','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"4745212073650846","tokenExpirationTime":"1800988228423","tokenHash":"cf6d2859785cd6cc6e21eb5e6ae350ece857a8a43edd0483eb1d7138bde0acc5","tokenId":"cf6d2859785cd6cc6e21eb5e6ae350ece857a8a43edd0483eb1d7138bde0acc5","userId":"4745212073650846"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(23,3274327432743274,'4be1908f-a68e-4d5f-ace2-c40d619e1f07',1795804228479,'32743274-3274-4274-8274-327432743274','servicePrincipalCredentials','create','admin@example.com','7772283e-ca80-42d9-9b64-9a26dace2c3d','127.0.0.1','Python-urllib/3.11','{"secret_id":"8367c905-10a9-4dab-9d43-238ff1548e73","service_principal":"4924160849983920"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(24,3274327432743274,'dd422c73-d86c-41b5-bdbb-4ef1bcba81fc',1795804228530,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','00c86c19-21f9-481d-b426-5b700cbc88a9','ef110548-52f6-4f25-a495-c8c0c6e33f6a','127.0.0.1','Python-urllib/3.11','{"client_id":"00c86c19-21f9-481d-b426-5b700cbc88a9","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(25,3274327432743274,'6e650cb8-e971-4579-963f-2bda4425dcc4',1795804229096,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','32743274-3274-4274-8274-327432743275','a9de0956-3997-4e5e-8037-0a27dd31f6d3','127.0.0.1','Python-urllib/3.11','{"client_id":"32743274-3274-4274-8274-327432743275","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(26,3274327432743274,'3aa1fb0a-af44-42c3-a455-15e0edcba7f6',1795804229167,'32743274-3274-4274-8274-327432743274','accounts','setSetting','32743274-3274-4274-8274-327432743275','d191f6c3-f5fc-420b-aced-9608baddd63c','127.0.0.1','Python-urllib/3.11','{"settingTypeName":"restrict_workspace_admins","settingValueForAudit":"RESTRICT_TOKENS_AND_JOB_RUN_AS"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(27,42,'604ee123-3146-47ae-9b69-fee35cae7278',1795797029271,'4595e4c6-d849-4547-a066-af64f834fdde','accounts','tokenLogin','admin@example.com','51b432dd-b1d5-48cc-807b-643f17171607','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(28,42,'a7a8c64b-cee8-4714-ae69-1640e75daea3',1795797029271,'4595e4c6-d849-4547-a066-af64f834fdde','accounts','generateDbToken','admin@example.com','51b432dd-b1d5-48cc-807b-643f17171607','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"8218535978174009","tokenExpirationTime":"1858869029271","tokenHash":"a5ae9911541f84fde96f84b969396af77a14b459b515b613e9dc7b4182d5e223","tokenId":"a5ae9911541f84fde96f84b969396af77a14b459b515b613e9dc7b4182d5e223","userId":"8218535978174009"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(29,42,'8d39afc6-faee-4667-ae5b-599024b4c0fa',1795797029337,'4595e4c6-d849-4547-a066-af64f834fdde','accounts','generateDbToken','admin@example.com','c57a60f0-8bc0-4e2f-9014-5fc7d978d44e','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"8218535978174009","tokenExpirationTime":"1858869029337","tokenHash":"3d5d4a8d61621407166813e9619f5e1936a4babcfcfbb35bcfc34b6cbe35f37b","tokenId":"3d5d4a8d61621407166813e9619f5e1936a4babcfcfbb35bcfc34b6cbe35f37b","userId":"8218535978174009"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(30,3274327432743274,'db0f4ca3-59ab-4ce9-a159-ba96c565162b',1795804229348,'32743274-3274-4274-8274-327432743274','accounts','oidcBrowserLogin','admin@example.com','aa4f3b7c-a0ab-48eb-a775-6d69b86bbd42','127.0.0.1','Python-urllib/3.11','{"user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(31,3274327432743274,'016fdcc6-051e-4662-a6e0-88b6825a3e5f',1795804229367,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','admin@example.com','70d74f6d-623d-4b9d-b306-558feb181879','127.0.0.1','Python-urllib/3.11','{"client_id":"databricks-cli","expires_in":"3600","grant_type":"authorization_code","scope":"offline_access all-apis"}',200,NULL,0);
CREATE TABLE checkpoint_rows (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  table_name      TEXT    NOT NULL,
  is_account      INTEGER NOT NULL,
  content         TEXT    NOT NULL
) STRICT;
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspaces',0,'{"workspace_id":3274327432743274,"account_id":"32743274-3274-4274-8274-327432743274","name":"dapi-mock","deployment_name":"dapi-mock","created_at":1795797028078,"is_default":1,"admins_group_id":2670858605161619,"users_group_id":6871885037614561,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":2670858605161619,"workspace_id":3274327432743274,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797028084}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":6871885037614561,"workspace_id":3274327432743274,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797028084}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":3014205495069310,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795797028084}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":4745212073650846,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797028084}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":8678935284284376,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797028084}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":2670858605161619,"member_id":3014205495069310}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":2670858605161619,"member_id":4745212073650846}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":2670858605161619,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":3014205495069310,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":4745212073650846,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":6871885037614561,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":8678935284284376,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','token_acl',0,'{"workspace_id":3274327432743274,"principal_id":6871885037614561,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','tokens',0,'{"token_id":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","workspace_id":3274327432743274,"owner_id":4745212073650846,"created_by_id":4745212073650846,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795797028086,"expiry_time":1858869028086,"last_used_at":null,"last_client":null,"idle_from":1795797028086,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','oauth_secrets',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":3014205495069310,"secret_id":"179034c4-31df-4cc5-a279-26114e2340cb","secret_hash":"a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32","created_at":1795797028093,"expires_at":1858869028093}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspaces',0,'{"workspace_id":42,"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","name":"workspace-42","deployment_name":"workspace-42","created_at":1795797029197,"is_default":0,"admins_group_id":8766529092027025,"users_group_id":1095066334345916,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","principal_id":1095066334345916,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797029199}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","principal_id":8766529092027025,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797029199}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","principal_id":5694981373771468,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797029199}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","principal_id":6172004439720878,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795797029199}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","principal_id":8218535978174009,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797029199}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","group_id":8766529092027025,"member_id":6172004439720878}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","group_id":8766529092027025,"member_id":8218535978174009}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":1095066334345916,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":5694981373771468,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":6172004439720878,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":8218535978174009,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":8766529092027025,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','token_acl',0,'{"workspace_id":42,"principal_id":1095066334345916,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":8218535978174009,"created_by_id":8218535978174009,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795797029205,"expiry_time":1858869029205,"last_used_at":null,"last_client":null,"idle_from":1795797029205,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','oauth_secrets',1,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","principal_id":6172004439720878,"secret_id":"86d18b37-7960-4c71-9c51-8b059297c2ac","secret_hash":"c27b70e3822c3eb172e9f77f66bf6f46a0a081c38ca881b62465884f3fc12f91","created_at":1795797029223,"expires_at":1858869029223}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspaces',0,'{"workspace_id":42,"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","name":"workspace-42","deployment_name":"workspace-42","created_at":1795797029197,"is_default":0,"admins_group_id":8766529092027025,"users_group_id":1095066334345916,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","principal_id":1095066334345916,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797029199}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","principal_id":8766529092027025,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797029199}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","principal_id":5694981373771468,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797029199}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","principal_id":6172004439720878,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795797029199}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","principal_id":8218535978174009,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797029199}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","group_id":8766529092027025,"member_id":6172004439720878}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","group_id":8766529092027025,"member_id":8218535978174009}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":1095066334345916,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":5694981373771468,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":6172004439720878,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":8218535978174009,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":8766529092027025,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','token_acl',0,'{"workspace_id":42,"principal_id":1095066334345916,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":8218535978174009,"created_by_id":8218535978174009,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795797029205,"expiry_time":1858869029205,"last_used_at":1795797029271,"last_client":"Python-urllib/3.11","idle_from":1795797029271,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"a5ae9911541f84fde96f84b969396af77a14b459b515b613e9dc7b4182d5e223","workspace_id":42,"owner_id":8218535978174009,"created_by_id":8218535978174009,"created_by_username":"admin@example.com","comment":"kept","creation_time":1795797029271,"expiry_time":1858869029271,"last_used_at":null,"last_client":null,"idle_from":1795797029271,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":27,"workspace_id":42,"event_id":"604ee123-3146-47ae-9b69-fee35cae7278","event_time":1795797029271,"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","service_name":"accounts","action_name":"tokenLogin","actor":"admin@example.com","request_id":"51b432dd-b1d5-48cc-807b-643f17171607","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"authenticationMethod\":\"API_EXT_PAT_TOKEN\",\"tokenId\":\"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d\",\"user\":\"admin@example.com\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":28,"workspace_id":42,"event_id":"a7a8c64b-cee8-4714-ae69-1640e75daea3","event_time":1795797029271,"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","service_name":"accounts","action_name":"generateDbToken","actor":"admin@example.com","request_id":"51b432dd-b1d5-48cc-807b-643f17171607","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"tokenCreatedBy\":\"8218535978174009\",\"tokenExpirationTime\":\"1858869029271\",\"tokenHash\":\"a5ae9911541f84fde96f84b969396af77a14b459b515b613e9dc7b4182d5e223\",\"tokenId\":\"a5ae9911541f84fde96f84b969396af77a14b459b515b613e9dc7b4182d5e223\",\"userId\":\"8218535978174009\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','oauth_secrets',1,'{"account_id":"4595e4c6-d849-4547-a066-af64f834fdde","principal_id":6172004439720878,"secret_id":"86d18b37-7960-4c71-9c51-8b059297c2ac","secret_hash":"c27b70e3822c3eb172e9f77f66bf6f46a0a081c38ca881b62465884f3fc12f91","created_at":1795797029223,"expires_at":1858869029223}');
CREATE TABLE checkpoints (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  created_at      INTEGER NOT NULL,
  has_account     INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, checkpoint_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "checkpoints" VALUES(42,'before',1795797029329,1);
INSERT INTO "checkpoints" VALUES(42,'empty',1795797029231,1);
INSERT INTO "checkpoints" VALUES(3274327432743274,'empty',1795797028094,1);
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
INSERT INTO "decoys" VALUES(3274327432743274,'d5a445365f32d5bb5ae55c3983106ecd8409ae900ab102a03d5c78c7eae6c26f','bait',1795804229343,0,NULL,NULL,NULL);
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
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',2670858605161619,3014205495069310);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',2670858605161619,4745212073650846);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',6068993062536432,4924160849983920);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',6172233353567304,6068993062536432);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',6068993062536432,6658883411082905);
INSERT INTO "group_members" VALUES('4595e4c6-d849-4547-a066-af64f834fdde',8766529092027025,6172004439720878);
INSERT INTO "group_members" VALUES('4595e4c6-d849-4547-a066-af64f834fdde',8766529092027025,8218535978174009);
CREATE TABLE oauth_keys (
  kid         TEXT    NOT NULL PRIMARY KEY,
  account_id  TEXT    NOT NULL REFERENCES accounts (account_id),
  -- The RSA modulus as in a JWK; the exponent is 65537.
  modulus     TEXT    NOT NULL,
  -- PKCS#8 in base64.
  private_key TEXT    NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO "oauth_keys" VALUES('7c49ebaa809296b56a6e9fd8792101056d8b4e825a19126abfd7f0e191ae984a','32743274-3274-4274-8274-327432743274','4RClwD8NxhNh236G1gBWi3VLb3Uc00eV62VYsCnMPOTZVZlQgOZwjIkKYQ3qYcEq6q0aJPkvbZ-H5_DcJ9vvCAMHs_vOiU0jfpwRX_8ewdEOmtviNZkQ0vA3FlDDt-ok7gmo0Vct9Prfrv5N3lZ2ixLK_k6w6Ay7xE6bZKci0LzJIIhY-DQJ814mMSY-3cWaRbu8fC9EsRoK0divJq8yvQ0G3wBkSJglelUrcatZmWpM-C2o7Q_6rWdFfVG9TE6xVNqY4I29LP8oRNKPGvdFK7jcaoxtJftGM3s_J9JEfCge-gtx9uAMBId5bmIe-4TR3AavclWrfg8THyojLfJrcQ','MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQDhEKXAPw3GE2HbfobWAFaLdUtvdRzTR5XrZViwKcw85NlVmVCA5nCMiQphDephwSrqrRok+S9tn4fn8Nwn2+8IAwez+86JTSN+nBFf/x7B0Q6a2+I1mRDS8DcWUMO36iTuCajRVy30+t+u/k3eVnaLEsr+TrDoDLvETptkpyLQvMkgiFj4NAnzXiYxJj7dxZpFu7x8L0SxGgrR2K8mrzK9DQbfAGRImCV6VStxq1mZakz4LajtD/qtZ0V9Ub1MTrFU2pjgjb0s/yhE0o8a90UruNxqjG0l+0Yzez8n0kR8KB76C3H24AwEh3luYh77hNHcBq9yVat+DxMfKiMt8mtxAgMBAAECggEBAJGvKvuUVSAgL7na3wDrWxoOpPPSxQPmVJ75DT2K8M+B+0SzZy7o+3Wcx4Ends4sMdGSl1fTjOXS3DBA8uFCNinjfDr/BiROMGmmMIEJLSmcX23SY0z6da91GtNxGB+Wiq0ix4oqem8XbW9i4ZjIMxe25HtVCKJMi8Z4c5Hltl2Sf1/M3WxSRiD6KNi0s3egZbZnImB1vrNWvGJhsxE183joCaNX9RfT91dV9n7QC/aplkY780NM5Iu9ym4zEpmmFe5xcFFhDngCsTqtCxkMqxX3pWGyuQCJWblOE2K/5kW9D4gZpnu9Hyq0b28LB/swyEfgmrvERdr63RzlvOgxIKECgYEA94+UgpqgSyTJ4XyVGkkgA4UvKb0cMUYzrhfrtFCZwQbTaSlSq+DT5OuPnBOE/3IUD23keYAqGW8oJ+NBf867IjPyU/P8YA7RnQF8PoNedjUvnqoXQEq28mAKF9qY+jP5ruJ+I/o6bu35MK/wee/WvRnNTK19RPHF45aCJe0j5YUCgYEA6LzADZZKy9u4hn1H2HVKtjMd9Ee1lKwZ4yiQSqgR3hmnd3povf6jLOzhKdARW++E/aiv1kAh4HeGZTVffm47d+2nNiurX7G6ozx+BhzOYgKsXdXwth/FBRUcndo+p6Cd1DklQKFF+MRRkCkb2cAiW+ouEsKItbn81dY+eCeCa/0CgYEAlHe/kTQ6vdYqXNjicwk38eSGDHol1kdL5zThXxqXm3QEhiUKN5p2eevsDKaINMqtzTMSuutqVCad5o4cUhIhmLmes0q4KMO6YnbplHQkyq/LB1Tq7NviLCn846Ft7WAOdhvPmrQPJ0gBEnnxtq9oEbDPtxS09Awrqfoxw50c0iECgYAXn3Du8B5PatHj9LtiISWgMLgNn2my2XUXNXrP2RdXL8truSUAg+QUH0cLc28PodQh2wld+cx2eCtQAoba0l1+4sRiHzSZ1fRXtUAlZq8cC6FrNNfl5Hue9HGfJBPP9+GNNO+vC6+KfIK62zFUfMgABFkA1nYB3ArpuYFFuNzoEQKBgQClgt77ywh0lbegf4gl58ix/gTVSdlTojaKOWGApQLdMzeAwqlVfd4bsVQNZP0TUi+MP0EQkvFLT0RZM9m4SPoYxN76+fex506Wg+tEGO2o5mi2fyrw1JynvFt8TGFkPj2RSjoZMqpfAEajSSzNsUi18BHn64Ah/tlICSygbmHTZg==',1795797029038);
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
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',3014205495069310,'179034c4-31df-4cc5-a279-26114e2340cb','a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32',1795797028093,1858869028093);
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',4924160849983920,'8367c905-10a9-4dab-9d43-238ff1548e73','8fee7f0d2b9b35524c6e0f25f6e3083187e77edc1c4c3cfa89b1159028e15b0f',1795804228479,1858876228479);
INSERT INTO "oauth_secrets" VALUES('4595e4c6-d849-4547-a066-af64f834fdde',6172004439720878,'86d18b37-7960-4c71-9c51-8b059297c2ac','c27b70e3822c3eb172e9f77f66bf6f46a0a081c38ca881b62465884f3fc12f91',1795797029223,1858869029223);
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
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',1944716947622095,0,'service_principal','0cbf4db6-e150-4eaf-834e-6cfc75bbf6b1','0cbf4db6-e150-4eaf-834e-6cfc75bbf6b1','locked out',1,0,NULL,'{}',1795797028142);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',2670858605161619,3274327432743274,'group','admins','admins','admins',1,0,NULL,'{}',1795797028084);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',3014205495069310,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795797028084);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',4745212073650846,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795797028084);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',4924160849983920,0,'service_principal','00c86c19-21f9-481d-b426-5b700cbc88a9','00c86c19-21f9-481d-b426-5b700cbc88a9','robot',1,0,NULL,'{}',1795797028138);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',6068993062536432,3274327432743274,'group','inner','inner','inner',1,0,NULL,'{}',1795797028158);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',6172233353567304,3274327432743274,'group','outer','outer','outer',1,0,NULL,'{}',1795797028168);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',6658883411082905,0,'user','ann@example.com','ann@example.com','Ann',1,0,NULL,'{"emails":[{"value":"ann@example.com","type":"work","primary":true}]}',1795797028150);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',6871885037614561,3274327432743274,'group','users','users','users',1,0,NULL,'{}',1795797028084);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8678935284284376,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795797028084);
INSERT INTO "principals" VALUES('4595e4c6-d849-4547-a066-af64f834fdde',1095066334345916,42,'group','users','users','users',1,0,NULL,'{}',1795797029199);
INSERT INTO "principals" VALUES('4595e4c6-d849-4547-a066-af64f834fdde',5694981373771468,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795797029199);
INSERT INTO "principals" VALUES('4595e4c6-d849-4547-a066-af64f834fdde',6172004439720878,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795797029199);
INSERT INTO "principals" VALUES('4595e4c6-d849-4547-a066-af64f834fdde',8218535978174009,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795797029199);
INSERT INTO "principals" VALUES('4595e4c6-d849-4547-a066-af64f834fdde',8766529092027025,42,'group','admins','admins','admins',1,0,NULL,'{}',1795797029199);
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
INSERT INTO "sign_ins" VALUES('557da672-2cbf-4deb-947c-0ca73070c23d',3274327432743274,'32743274-3274-4274-8274-327432743274',0,'databricks-cli','http://localhost:8020','s','offline_access all-apis','y5UF_tmp_ICTDGza-Ou2vUvx2cu7DBN-Xwf_z0RDfTw','redeemed',4745212073650846,'dd99fdf9272a381195915966f03f5835c91205e8096c41ca6234e6c952b1fcf3','e6fe52957612049c6183578fbdbb364258713a023542d8ff5dc969d0787c776f',1796409029367);
CREATE TABLE system_time (
  id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  shown_at INTEGER NOT NULL
) STRICT;
INSERT INTO "system_time" VALUES(1,1795797029408);
CREATE TABLE token_acl (
  workspace_id     INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id     INTEGER NOT NULL,
  permission_level TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "token_acl" VALUES(42,1095066334345916,'CAN_USE');
INSERT INTO "token_acl" VALUES(3274327432743274,6172233353567304,'CAN_USE');
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
INSERT INTO "tokens" VALUES('01b9896a70c000c7a4d2b47dc96a057915464621d262198a816350ffb49a4fde',3274327432743274,4745212073650846,4745212073650846,'admin@example.com','with ''quotes'' and ünïcode',1795804228387,1800124228387,NULL,NULL,1795804228387,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('3d5d4a8d61621407166813e9619f5e1936a4babcfcfbb35bcfc34b6cbe35f37b',42,8218535978174009,8218535978174009,'admin@example.com','after',1795797029337,1858869029337,NULL,NULL,1795797029337,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d',42,8218535978174009,8218535978174009,'admin@example.com','dapi-mock admin token',1795797029205,1858869029205,1795797029271,'Python-urllib/3.11',1795797029271,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('7a79d0f1cd59918b53cfdbbcde03995c9f52d6bd1c11601359893442d76545a4',3274327432743274,1944716947622095,4745212073650846,'admin@example.com','locked out',1795797028192,1798389028192,NULL,NULL,1795797028192,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('a53f7fc66e423be073612fee817a2bfd259387352cd6e7e901fd46269ce45404',3274327432743274,4745212073650846,4745212073650846,'admin@example.com','short',1795797028208,1795800628208,NULL,NULL,1795797028208,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('a5ae9911541f84fde96f84b969396af77a14b459b515b613e9dc7b4182d5e223',42,8218535978174009,8218535978174009,'admin@example.com','kept',1795797029271,1858869029271,NULL,NULL,1795797029271,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('bce29bc6fd0e978d6ec83db92efcb8f8b236fd806ff495018ae3de840ee03657',3274327432743274,4924160849983920,4745212073650846,'admin@example.com','of the robot',1795797028188,1798389028188,NULL,NULL,1795797028188,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0',3274327432743274,4745212073650846,4745212073650846,'admin@example.com','dapi-mock admin token',1795797028086,1858869028086,1795804228387,'Python-urllib/3.11',1795804228387,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('cf6d2859785cd6cc6e21eb5e6ae350ece857a8a43edd0483eb1d7138bde0acc5',3274327432743274,4745212073650846,4745212073650846,'admin@example.com','scoped',1795804228423,1800988228423,NULL,NULL,1795804228423,'["sql"]','AUTOSCOPE_STATE_USER_SELECTED',NULL);
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
INSERT INTO "tombstones" VALUES('92817905aefa7cde6d57071e2e18077f970392c010fcc9853bfff97f24e4ec89',3274327432743274,4745212073650846,4745212073650846,'admin@example.com','revoked',1795797028215,1858869028215,NULL,NULL,1795797028230,'revoked_by_owner','admin@example.com');
CREATE TABLE workspace_assignments (
  workspace_id INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id INTEGER NOT NULL,
  active       INTEGER NOT NULL,
  entitlements TEXT    NOT NULL,
  roles        TEXT    NOT NULL, direct INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_assignments" VALUES(42,1095066334345916,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,5694981373771468,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,6172004439720878,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,8218535978174009,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,8766529092027025,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,1944716947622095,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,2670858605161619,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,3014205495069310,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,4745212073650846,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,4924160849983920,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,6068993062536432,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,6172233353567304,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,6658883411082905,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,6871885037614561,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8678935284284376,1,'["workspace-access","databricks-sql-access"]','[]',1);
CREATE TABLE workspace_conf (
  workspace_id   INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  conf_key       TEXT    NOT NULL,
  conf_value     TEXT    NOT NULL,
  -- What applies before effective_at (propagation delay); NULL when it was unset.
  previous_value TEXT,
  effective_at   INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, conf_key)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_conf" VALUES(3274327432743274,'maxTokenLifetimeDays','60',NULL,1795797028291);
CREATE TABLE workspace_settings (
  workspace_id  INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  setting_name  TEXT    NOT NULL,
  setting_value TEXT    NOT NULL,
  etag          TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, setting_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_settings" VALUES(3274327432743274,'restrict_workspace_admins','RESTRICT_TOKENS_AND_JOB_RUN_AS','df87d0b1-0dec-44c1-8f1f-5cdb7ac399a8');
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
INSERT INTO "workspaces" VALUES(42,'4595e4c6-d849-4547-a066-af64f834fdde','workspace-42','workspace-42',1795797029197,0,8766529092027025,1095066334345916,'real',0,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}',NULL,NULL,0,1082271479191631);
INSERT INTO "workspaces" VALUES(3274327432743274,'32743274-3274-4274-8274-327432743274','dapi-mock','dapi-mock',1795797028078,1,2670858605161619,6871885037614561,'offset',7200000,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}',NULL,NULL,0,1913035700529123);
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
