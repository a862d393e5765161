-- {"users": ["ann@example.com"], "groups": {"inner": ["2440517925910375", "6953145058392431"], "outer": ["7886440301663177"]}, "robot": {"value": "dapie06a1515c493957e61e3a0d3f2ad05c5", "id": "df2b57cf43a724ace7d59b91f6d971e9d04d03febca1f47d9b502d27022fbf1d"}, "suspended": {"value": "dapie2f9752d56a739958e94bc99cbe8c501", "id": "9261c967432b2a5e5ce1c1ed4f4f365ecdf3df0f86d1bee0853974a438d2bbf2"}, "expired": {"value": "dapi867a9c6d186188519704779393a77966", "id": "4cb416014cfdca8a30756f0644f62ef4df00d7e5390f13bbc21c805f08342256"}, "revoked": {"value": "dapid8fefed19c9a81cbf033efcbe4d303db", "id": "94b38dacd0d14c47fa9b87267fd43be17d54b2d005ec9cfa43bfa227f661e5e6"}, "conf": {"maxTokenLifetimeDays": "60"}, "live": {"value": "dapif2d92eeab0302b37ec107bc77ca7a10d", "id": "6e2a7d0c420768e7acfb94eab974555ae8645392aa4ab5f46f44f2fff418eaee"}, "scoped": {"value": "dapic538335f0170ca897e4b062aba910775", "id": "914fef7c982ffa79fe53807c32f2c9f77c2b3b16ed546f671c7fda5669899837"}, "client": ["80ff0eb5-542d-460e-85bf-fefebb5b91e3", "dosead0b0c067cfffde1973158a0ead12755"], "access_token": "eyJraWQiOiJjZjExOTg5MGEzZTY1NDg0N2RiODRjOWRmZWUyMDQ2MjJmZjE1MWYxZjkzZTZlMDdjNmY3MGQ0NmI4Y2E1NWIxIiwidHlwIjoiYXQrand0IiwiYWxnIjoiUlMyNTYifQ.eyJjbGllbnRfaWQiOiI4MGZmMGViNS01NDJkLTQ2MGUtODViZi1mZWZlYmI1YjkxZTMiLCJzY29wZSI6ImFsbC1hcGlzIiwiaXNzIjoiaHR0cDovLzEyNy4wLjAuMTozNTY0OS9vaWRjIiwiYXVkIjoiMzI3NDMyNzQzMjc0MzI3NCIsInN1YiI6IjgwZmYwZWI1LTU0MmQtNDYwZS04NWJmLWZlZmViYjViOTFlMyIsImlhdCI6MTc5NTU0MjA4MywiZXhwIjoxNzk1NTQ1NjgzLCJqdGkiOiIwOGRhMzZlNS03N2Q4LTQ2OGEtOTI1Ni1hOGNlZTJiZTBiZDMifQ.ERMyMs9CFvXd6kPuEzNRZ52ZHb-3p23GfyAVeZpqyu7uJxD7WFuFzgyw6LsIKvGB4IH13KXkG_aO3bU8qHCVqYfk2HKXG1PCE5e6ZolQOENJUyVtI-8VHuFAyJEtT_HJJG1qcpFSMycUmIHNQ5v7oOuCY-qzNk3YHY__37kF5T9OhUChUW1bECtk7Fld4tMgGAkvnEurS4SWKMr6QFJEkNdfuVbsvTYeQUczZDDdXd3sp5WT9Y1HuZggQer7IKgdRGbYjOQH34qtXiUpA5xGPKzEHyMK04MxzrqU-zib3UY5SHmFAEbujuzHCCggjBk2hULRQ4f2l6jXBJBG2C8gYQ", "setting": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "checkpoint": {"kept": "dapia9893f24fda451efbcff0f8694ae611e", "lost": "dapic59da76f1e439d12e21af90ba7693877"}, "decoy": "dapib280e16e4f09d461df33037ce89b7895", "fault": "/api/2.0/token/list", "refresh_token": "dort45772d0aa63546fb9d3abe8c96c9e831cb0e561882088da4bfe016719ffa4d56395358ed929637fe0c57689dcd888238", "audit_events": 28, "made_at": 1795534883131}
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
INSERT INTO "_sqlx_migrations" VALUES(1,'init','2026-11-24 15:41:22',1,X'981439543882C3FB1DE3D3AA4716A6208DD9611E2D48D86FA3CC35F0CA5CA6742EDEEA0188E57599BCD4971037026B42',947973);
INSERT INTO "_sqlx_migrations" VALUES(2,'oauth','2026-11-24 15:41:22',1,X'77D0503C26CA224047803B819A9EA5663A33EF1E291FB41C2D60B60CB1DA953D25C6BF71D65ED89CA85AECC529A00027',392175);
INSERT INTO "_sqlx_migrations" VALUES(3,'settings','2026-11-24 15:41:22',1,X'6F7B1CDA212365348C1CAC21FBB20B25FF88804DC6172E8B629BBE39A85F19719D51BCB9DB9A07F3F2757288B898A058',296722);
INSERT INTO "_sqlx_migrations" VALUES(4,'sign in','2026-11-24 15:41:22',1,X'6F3CD001B411185F9BB278458A3377E79F23656E19BEF0F0F7E90817424EAA0C3BD8BA475BB82DE1D24E34BF50B49B6A',294809);
INSERT INTO "_sqlx_migrations" VALUES(5,'account','2026-11-24 15:41:22',1,X'DD03D837E99211F95C8CBB13F8679DE062C81CB893AC2D8729CD12831B50C21FA67C19CAC6C66604D0E0E74EAF39984A',644401);
INSERT INTO "_sqlx_migrations" VALUES(6,'token report','2026-11-24 15:41:22',1,X'D686BE899BB408A853C1C3926F1DB5C8921CDA28685BA0C95735D876ADF1AB481A5B5A14C676D39D86C5837683834682',359856);
INSERT INTO "_sqlx_migrations" VALUES(7,'worlds','2026-11-24 15:41:22',1,X'701D37E6D8DEF51D16BDA9A2D635D35A1DEBB7E3789B35E5FBD6D397B205DA562A01056FF62A8616D11DEC97DABA60FB',880192);
INSERT INTO "_sqlx_migrations" VALUES(8,'faults','2026-11-24 15:41:22',1,X'250DBCF31BFA14A7E3D4EE1B4F1C3501E5598B45D85FA64787B6481FAAD2F23B822CB978CDCC01AB4F1AA01E6584D9BD',262491);
INSERT INTO "_sqlx_migrations" VALUES(9,'decoys','2026-11-24 15:41:22',1,X'066CFC4EEEE096DD9CF7108C1E08BDEBE5F2BBEFAB9F11AA9C583A0EB92CDD1E3B233DFF6D24F56B1417B4A1D64DDCC7',245386);
INSERT INTO "_sqlx_migrations" VALUES(10,'incarnation','2026-11-24 15:41:22',1,X'B32C0DC0D2F578CC6EFB991459E2B2B23E5BC11FB548BE6914C6836D7C5410EC05D0FBEA17F7EF85595642E5B061790D',430192);
INSERT INTO "_sqlx_migrations" VALUES(11,'page sessions','2026-11-24 15:41:22',1,X'59F95829DCE6D08386EE52F61F6B37B0C926E636F35D7488D58D644051A17053988E450892DCA0D9182906ABCBB70FD1',287619);
CREATE TABLE accounts (
  account_id TEXT NOT NULL PRIMARY KEY,
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "accounts" VALUES('32743274-3274-4274-8274-327432743274',1795534882997);
INSERT INTO "accounts" VALUES('665a6b4d-b62b-41aa-b204-cb562d1df172',1795534883108);
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
INSERT INTO "audit_events" VALUES(1,3274327432743274,'e2df88e3-855b-4134-bda0-8de5865b5f52',1795534883011,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','77eafc4f-1d95-465c-90d1-223783093c6b','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(2,3274327432743274,'17a182c5-1c98-49f8-b2fc-2d791235fdc1',1795534883011,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','77eafc4f-1d95-465c-90d1-223783093c6b','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"2440517925910375","targetUserName":"80ff0eb5-542d-460e-85bf-fefebb5b91e3"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(3,3274327432743274,'04acbbfe-1535-4240-bdba-5fc25cba11cd',1795534883015,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','770c248f-4b3a-40f5-9c55-bfd02005d66f','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"7705758632845930","targetUserName":"0da3ad21-bef0-4bb9-8b6f-4b4ba03285f4"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(4,3274327432743274,'3980bd9b-6135-4ef9-a366-32f1ce89303a',1795534883018,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','891395d6-5cbf-4534-9308-5d9ec6813d7e','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"6953145058392431","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(5,3274327432743274,'3720b90a-f02d-4f99-b30e-a0ac50b405f7',1795534883020,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','b5f5b987-b569-41dc-845f-9e01a7c06e2e','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"7886440301663177","targetGroupName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(6,3274327432743274,'18060b70-1635-4585-b5d0-f6fc4796a35e',1795534883020,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','b5f5b987-b569-41dc-845f-9e01a7c06e2e','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"7886440301663177","targetGroupName":"inner","targetUserId":"2440517925910375","targetUserName":"80ff0eb5-542d-460e-85bf-fefebb5b91e3"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(7,3274327432743274,'70def8c5-a525-42d7-b2c7-cdae69537672',1795534883020,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','b5f5b987-b569-41dc-845f-9e01a7c06e2e','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"7886440301663177","targetGroupName":"inner","targetUserId":"6953145058392431","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(8,3274327432743274,'8892fe49-00f5-4bf9-971e-a8d45bc150e4',1795534883023,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','fd3411c3-ef12-436e-9b20-fdb1f12010d4','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"6703234753557547","targetGroupName":"outer"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(9,3274327432743274,'446b9f22-9911-4eee-8994-42730e541d70',1795534883023,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','fd3411c3-ef12-436e-9b20-fdb1f12010d4','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"6703234753557547","targetGroupName":"outer","targetUserId":"7886440301663177","targetUserName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(10,3274327432743274,'aa491fe3-caa6-46ac-b69f-e83d524d9f86',1795534883026,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','f79ad002-00a3-4a71-aabd-54ca7b73e4e3','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"6703234753557547"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(11,3274327432743274,'13f2e29f-17ce-4201-bb7f-712f860e3bd0',1795534883026,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','f79ad002-00a3-4a71-aabd-54ca7b73e4e3','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"7705758632845930"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(12,3274327432743274,'1b91efcd-77a0-4ffb-ba24-3aa34178bbb0',1795534883029,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','7c52ba72-c256-4486-9114-754a9dfb2249','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3800231482235202","tokenExpirationTime":"1798126883029","tokenHash":"df2b57cf43a724ace7d59b91f6d971e9d04d03febca1f47d9b502d27022fbf1d","tokenId":"df2b57cf43a724ace7d59b91f6d971e9d04d03febca1f47d9b502d27022fbf1d","userId":"2440517925910375"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(13,3274327432743274,'daa7dbf9-ccce-491b-8252-ed319dfb3399',1795534883032,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','d13bc6f8-9259-4527-82f7-077c75092a20','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3800231482235202","tokenExpirationTime":"1798126883032","tokenHash":"9261c967432b2a5e5ce1c1ed4f4f365ecdf3df0f86d1bee0853974a438d2bbf2","tokenId":"9261c967432b2a5e5ce1c1ed4f4f365ecdf3df0f86d1bee0853974a438d2bbf2","userId":"7705758632845930"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(14,3274327432743274,'d7a58069-5d7b-4a3e-b54d-744bea49b927',1795534883034,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','f0f23893-4dd3-43c3-bdf2-6eb8d9e68a6a','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"2482043287515512"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(15,3274327432743274,'9115f5df-dfe3-4179-bd0d-1d22ed4028db',1795534883034,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','f0f23893-4dd3-43c3-bdf2-6eb8d9e68a6a','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"7705758632845930"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(16,3274327432743274,'7169db03-d5d1-4097-94ae-0298bf779e60',1795534883036,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','96cfd35c-0d5b-4e81-a2be-a6dab772023e','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3800231482235202","tokenExpirationTime":"1795538483036","tokenHash":"4cb416014cfdca8a30756f0644f62ef4df00d7e5390f13bbc21c805f08342256","tokenId":"4cb416014cfdca8a30756f0644f62ef4df00d7e5390f13bbc21c805f08342256","userId":"3800231482235202"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(17,3274327432743274,'70ae0f1c-5e45-47db-87c3-36022c6480ff',1795534883039,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','de328c45-ea3f-4f4a-8cb3-941834ebaf9a','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3800231482235202","tokenExpirationTime":"1858606883039","tokenHash":"94b38dacd0d14c47fa9b87267fd43be17d54b2d005ec9cfa43bfa227f661e5e6","tokenId":"94b38dacd0d14c47fa9b87267fd43be17d54b2d005ec9cfa43bfa227f661e5e6","userId":"3800231482235202"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(18,3274327432743274,'78a44d91-db52-4be8-8290-95b21fd135bd',1795534883041,'32743274-3274-4274-8274-327432743274','accounts','revokeDbToken','admin@example.com','5d0fc8bf-f62a-4b0e-bd58-d2e8e2fea079','127.0.0.1','Python-urllib/3.11','{"tokenHash":"94b38dacd0d14c47fa9b87267fd43be17d54b2d005ec9cfa43bfa227f661e5e6","tokenId":"94b38dacd0d14c47fa9b87267fd43be17d54b2d005ec9cfa43bfa227f661e5e6","userId":"3800231482235202"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(19,3274327432743274,'04c056ad-ee94-40a8-9b8f-49a8db22c4e6',1795534883043,'32743274-3274-4274-8274-327432743274','workspace','workspaceConfEdit','admin@example.com','00ed289e-e0d0-4c6b-bec1-f7a96831706c','127.0.0.1','Python-urllib/3.11','{"workspaceConfKeys":"maxTokenLifetimeDays","workspaceConfValues":"60"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(20,3274327432743274,'b06c6605-a8c5-4d4f-aa5e-048f8203a82d',1795542083047,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','bf8c8d8c-0538-4d7c-90ee-a66ebd0cbb37','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(21,3274327432743274,'222d708a-7062-4dc2-bb80-8bd5ffaa8102',1795542083047,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','bf8c8d8c-0538-4d7c-90ee-a66ebd0cbb37','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3800231482235202","tokenExpirationTime":"1799862083047","tokenHash":"6e2a7d0c420768e7acfb94eab974555ae8645392aa4ab5f46f44f2fff418eaee","tokenId":"6e2a7d0c420768e7acfb94eab974555ae8645392aa4ab5f46f44f2fff418eaee","userId":"3800231482235202"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(22,3274327432743274,'ab346a24-73c2-41ae-894e-6cb27db4809c',1795542083050,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','525643f2-f61b-4551-a9fe-0657c56312f5','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"3800231482235202","tokenExpirationTime":"1800726083050","tokenHash":"914fef7c982ffa79fe53807c32f2c9f77c2b3b16ed546f671c7fda5669899837","tokenId":"914fef7c982ffa79fe53807c32f2c9f77c2b3b16ed546f671c7fda5669899837","userId":"3800231482235202"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(23,3274327432743274,'7c4ef155-4fc4-4c48-8926-81351bd7bdc8',1795542083052,'32743274-3274-4274-8274-327432743274','servicePrincipalCredentials','create','admin@example.com','a77c3f4e-2ddf-4bfd-8eeb-737eecb74d25','127.0.0.1','Python-urllib/3.11','{"secret_id":"b7fc46d7-b4c6-4669-8a5c-fa583df65235","service_principal":"2440517925910375"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(24,3274327432743274,'f11f6262-6452-4ac0-84ca-954c9acc1501',1795542083056,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','80ff0eb5-542d-460e-85bf-fefebb5b91e3','a7e9e85f-7360-4caa-a663-e1e2c2fd7315','127.0.0.1','Python-urllib/3.11','{"client_id":"80ff0eb5-542d-460e-85bf-fefebb5b91e3","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(25,3274327432743274,'2c032cd5-8d1b-4493-894f-2e891868a948',1795542083101,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','32743274-3274-4274-8274-327432743275','86e2be94-b339-4442-817d-8ee6b91a34d8','127.0.0.1','Python-urllib/3.11','{"client_id":"32743274-3274-4274-8274-327432743275","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(26,3274327432743274,'92191672-daa6-448d-b105-245c7d9bea6a',1795542083106,'32743274-3274-4274-8274-327432743274','accounts','setSetting','32743274-3274-4274-8274-327432743275','67fb8312-32db-409b-b5d3-01e7743359ce','127.0.0.1','Python-urllib/3.11','{"settingTypeName":"restrict_workspace_admins","settingValueForAudit":"RESTRICT_TOKENS_AND_JOB_RUN_AS"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(27,42,'1fe8b5e6-13c8-4d76-ac39-24bf55b9015f',1795534883112,'665a6b4d-b62b-41aa-b204-cb562d1df172','accounts','tokenLogin','admin@example.com','51760279-e1cc-4f32-89ba-9aba311a304c','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(28,42,'1b52fe79-ef93-4c4e-89b9-dfb6e60f5cf4',1795534883112,'665a6b4d-b62b-41aa-b204-cb562d1df172','accounts','generateDbToken','admin@example.com','51760279-e1cc-4f32-89ba-9aba311a304c','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"4330027956666040","tokenExpirationTime":"1858606883112","tokenHash":"ff8797576a6e176b191556d5050259d7c0dcac8b411b6d7e78dc6ec7c1d38687","tokenId":"ff8797576a6e176b191556d5050259d7c0dcac8b411b6d7e78dc6ec7c1d38687","userId":"4330027956666040"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(29,42,'408b14b2-9f62-4e58-b7d7-5d1e37a42599',1795534883117,'665a6b4d-b62b-41aa-b204-cb562d1df172','accounts','generateDbToken','admin@example.com','8fdf61ba-76c6-4fb3-a579-66869821a405','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"4330027956666040","tokenExpirationTime":"1858606883117","tokenHash":"030a18dbae90f11bc8f6e69e70437aab6ab9801c24986e25650a067c47d9238a","tokenId":"030a18dbae90f11bc8f6e69e70437aab6ab9801c24986e25650a067c47d9238a","userId":"4330027956666040"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(30,3274327432743274,'7ed11792-ae47-48e1-8b57-20733701d8c9',1795542083124,'32743274-3274-4274-8274-327432743274','accounts','oidcBrowserLogin','admin@example.com','98a3c996-9cd1-47fb-a0c7-a45813c21c4f','127.0.0.1','Python-urllib/3.11','{"user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(31,3274327432743274,'a95038c0-ee92-49f9-aa9a-da90f353b130',1795542083127,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','admin@example.com','38d6843f-63e3-4d14-bc91-1d4c5bdff218','127.0.0.1','Python-urllib/3.11','{"client_id":"databricks-cli","expires_in":"3600","grant_type":"authorization_code","scope":"offline_access all-apis"}',200,NULL,0);
CREATE TABLE checkpoint_rows (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  table_name      TEXT    NOT NULL,
  is_account      INTEGER NOT NULL,
  content         TEXT    NOT NULL
) STRICT;
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspaces',0,'{"workspace_id":3274327432743274,"account_id":"32743274-3274-4274-8274-327432743274","name":"dapi-mock","deployment_name":"dapi-mock","created_at":1795534882997,"is_default":1,"admins_group_id":1980749609127720,"users_group_id":2482043287515512,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":1980749609127720,"workspace_id":3274327432743274,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795534882997}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":2482043287515512,"workspace_id":3274327432743274,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795534882997}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":3474474550881360,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795534882997}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":3800231482235202,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795534882997}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":5778571248695097,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795534882997}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":1980749609127720,"member_id":3474474550881360}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":1980749609127720,"member_id":3800231482235202}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":1980749609127720,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":2482043287515512,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":3474474550881360,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":3800231482235202,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":5778571248695097,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','token_acl',0,'{"workspace_id":3274327432743274,"principal_id":2482043287515512,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','tokens',0,'{"token_id":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","workspace_id":3274327432743274,"owner_id":3800231482235202,"created_by_id":3800231482235202,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795534882998,"expiry_time":1858606882998,"last_used_at":null,"last_client":null,"idle_from":1795534882998,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','oauth_secrets',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":3474474550881360,"secret_id":"2c97a818-8202-4fbd-8c73-8eea14e4959b","secret_hash":"a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32","created_at":1795534882999,"expires_at":1858606882999}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspaces',0,'{"workspace_id":42,"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","name":"workspace-42","deployment_name":"workspace-42","created_at":1795534883108,"is_default":0,"admins_group_id":6453054160303229,"users_group_id":4292663036983353,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","principal_id":4292663036983353,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795534883108}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","principal_id":6453054160303229,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795534883108}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","principal_id":3071639560252795,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795534883108}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","principal_id":4330027956666040,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795534883108}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","principal_id":8411326390599297,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795534883108}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","group_id":6453054160303229,"member_id":3071639560252795}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","group_id":6453054160303229,"member_id":4330027956666040}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":3071639560252795,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":4292663036983353,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":4330027956666040,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":6453054160303229,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":8411326390599297,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','token_acl',0,'{"workspace_id":42,"principal_id":4292663036983353,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":4330027956666040,"created_by_id":4330027956666040,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795534883110,"expiry_time":1858606883110,"last_used_at":null,"last_client":null,"idle_from":1795534883110,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','oauth_secrets',1,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","principal_id":3071639560252795,"secret_id":"93fefe4a-d93d-4187-b222-758cf493233e","secret_hash":"23fb7908eff54fc6712e1a71d0d5f0cd488ddac7a5d169eaa1fae598f73e4b5d","created_at":1795534883110,"expires_at":1858606883110}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspaces',0,'{"workspace_id":42,"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","name":"workspace-42","deployment_name":"workspace-42","created_at":1795534883108,"is_default":0,"admins_group_id":6453054160303229,"users_group_id":4292663036983353,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","principal_id":4292663036983353,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795534883108}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","principal_id":6453054160303229,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795534883108}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","principal_id":3071639560252795,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795534883108}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","principal_id":4330027956666040,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795534883108}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","principal_id":8411326390599297,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795534883108}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","group_id":6453054160303229,"member_id":3071639560252795}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","group_id":6453054160303229,"member_id":4330027956666040}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":3071639560252795,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":4292663036983353,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":4330027956666040,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":6453054160303229,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":8411326390599297,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','token_acl',0,'{"workspace_id":42,"principal_id":4292663036983353,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":4330027956666040,"created_by_id":4330027956666040,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795534883110,"expiry_time":1858606883110,"last_used_at":1795534883112,"last_client":"Python-urllib/3.11","idle_from":1795534883112,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"ff8797576a6e176b191556d5050259d7c0dcac8b411b6d7e78dc6ec7c1d38687","workspace_id":42,"owner_id":4330027956666040,"created_by_id":4330027956666040,"created_by_username":"admin@example.com","comment":"kept","creation_time":1795534883112,"expiry_time":1858606883112,"last_used_at":null,"last_client":null,"idle_from":1795534883112,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":27,"workspace_id":42,"event_id":"1fe8b5e6-13c8-4d76-ac39-24bf55b9015f","event_time":1795534883112,"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","service_name":"accounts","action_name":"tokenLogin","actor":"admin@example.com","request_id":"51760279-e1cc-4f32-89ba-9aba311a304c","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"authenticationMethod\":\"API_EXT_PAT_TOKEN\",\"tokenId\":\"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d\",\"user\":\"admin@example.com\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":28,"workspace_id":42,"event_id":"1b52fe79-ef93-4c4e-89b9-dfb6e60f5cf4","event_time":1795534883112,"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","service_name":"accounts","action_name":"generateDbToken","actor":"admin@example.com","request_id":"51760279-e1cc-4f32-89ba-9aba311a304c","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"tokenCreatedBy\":\"4330027956666040\",\"tokenExpirationTime\":\"1858606883112\",\"tokenHash\":\"ff8797576a6e176b191556d5050259d7c0dcac8b411b6d7e78dc6ec7c1d38687\",\"tokenId\":\"ff8797576a6e176b191556d5050259d7c0dcac8b411b6d7e78dc6ec7c1d38687\",\"userId\":\"4330027956666040\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','oauth_secrets',1,'{"account_id":"665a6b4d-b62b-41aa-b204-cb562d1df172","principal_id":3071639560252795,"secret_id":"93fefe4a-d93d-4187-b222-758cf493233e","secret_hash":"23fb7908eff54fc6712e1a71d0d5f0cd488ddac7a5d169eaa1fae598f73e4b5d","created_at":1795534883110,"expires_at":1858606883110}');
CREATE TABLE checkpoints (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  created_at      INTEGER NOT NULL,
  has_account     INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, checkpoint_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "checkpoints" VALUES(42,'before',1795534883115,1);
INSERT INTO "checkpoints" VALUES(42,'empty',1795534883110,1);
INSERT INTO "checkpoints" VALUES(3274327432743274,'empty',1795534882999,1);
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
INSERT INTO "decoys" VALUES(3274327432743274,'4195cad143f7901f28e621b8025636a879917bc443aedcb9a4e8f667bdc46fcc','bait',1795542083120,0,NULL,NULL,NULL);
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
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',7886440301663177,2440517925910375);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',1980749609127720,3474474550881360);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',1980749609127720,3800231482235202);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',7886440301663177,6953145058392431);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',6703234753557547,7886440301663177);
INSERT INTO "group_members" VALUES('665a6b4d-b62b-41aa-b204-cb562d1df172',6453054160303229,3071639560252795);
INSERT INTO "group_members" VALUES('665a6b4d-b62b-41aa-b204-cb562d1df172',6453054160303229,4330027956666040);
CREATE TABLE oauth_keys (
  kid         TEXT    NOT NULL PRIMARY KEY,
  account_id  TEXT    NOT NULL REFERENCES accounts (account_id),
  -- The RSA modulus as in a JWK; the exponent is 65537.
  modulus     TEXT    NOT NULL,
  -- PKCS#8 in base64.
  private_key TEXT    NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO "oauth_keys" VALUES('cf119890a3e654847db84c9dfee204622ff151f1f93e6e07c6f70d46b8ca55b1','32743274-3274-4274-8274-327432743274','oTkRH8mH4MOsBP1QJfLWEhBp-I5gxM8X9yVseDAaiNo-Gf-SeTXCidlfBryxJ8wfFdu9z_j9TIR4GbrVgxjNvrjcTBlVtU63kWyhyuyfXezb4XKMTXpT0tR0c3pIqNpFPJ5jbpEfhvFGPVS4tL2S-M1CaEWaNwzGHXlfXgx3qI2eTkEoRmgNN99pxQTy7IjEpXsDj-ofEuDYqPXVdV_Sm8x0Ft0GuGZaAonCWX3uQSz0SXK8QSNG9rDyAxB8m0rMrdvswcQ4PpxsmzUg7CJbwgDgaQXD4b21xwYtiBcppcdKjshdul1WZCt94Me_S_1e7psXKj2NjstvCeBhSEaPeQ','MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQChOREfyYfgw6wE/VAl8tYSEGn4jmDEzxf3JWx4MBqI2j4Z/5J5NcKJ2V8GvLEnzB8V273P+P1MhHgZutWDGM2+uNxMGVW1TreRbKHK7J9d7NvhcoxNelPS1HRzekio2kU8nmNukR+G8UY9VLi0vZL4zUJoRZo3DMYdeV9eDHeojZ5OQShGaA0332nFBPLsiMSlewOP6h8S4Nio9dV1X9KbzHQW3Qa4ZloCicJZfe5BLPRJcrxBI0b2sPIDEHybSsyt2+zBxDg+nGybNSDsIlvCAOBpBcPhvbXHBi2IFymlx0qOyF26XVZkK33gx79L/V7umxcqPY2Oy28J4GFIRo95AgMBAAECggEAGWZZOU3R12pcbojOGLxyV3Q4jc04l6kc2HYP6buCYq8ne4cVN31twbP6UaBmtKNm/lWZSOusVGLGXR9fRgEhYPvU0TRomWDmcMXRk5vF29FWLuWSDx7Hl/6avhq02c1RfSRi++dnNSZL75uqYedAAWytGqpkimm7yKb3jGSgcXBmTdxxbJZlx+Da5jXHA9tipIOVnxznvrMK3yWZyXFtzgsap5u/ZfwORuqiXDufe7OjwwMW92P5q9RXkKBOAlLo9F26meEjxWU7XVe+9xBR6H3CnrUkodfZDhsBAZq5O4LiwVWRgeBCbQvDUOc+o+rFHt3SXaZj8twDYLtbPEE7BQKBgQDLNCdiWd0ynROfA8S6JNKMDwGVdfQzcqvkw7ME9Og098p20MvuZ4KAC7cwa3cTNr3Z3IEBiqQQwn6QYtRA1Be95C0uU8BRxNOs8GthMbhjvkouBf7vDR4tsbXspI8BK0TkkLJ0lyyghDKE8x9nEd0Hj+B+d/PfEgROH1sLCzQffwKBgQDLHJx0y/FFA7WU+YRTawvF/dXvEEDHEG486OTe9KwZU8BRKNloNaFFxRzFrbYImruuVN9uiIFRVWVZMlnFvgC3+f1RRUjpQ6IzHpL+6JLa6SrUffWEP/H/49KksfM/jl3YXNdI1P7EeJnT/kfVCXhPZTOcdBXSdSRl/8BSs9/NBwKBgDBIUCNaXuir0gGyj4f7P9vvpNyyjje7Q4Szy1GeL56GUiExM4OOLL/oCLsEjeKO20Vs02peWuVwkUoVcYGF465HDUU4uTW0oucwqRMLEVkB2fZdjlmWsFkDJMr5vtD0SwZUK1LwqLXrM2XLruZ6pB4r3ZevQM78JPG7GZLiMpxZAoGAExtE6IPK1Xgs26/BL+uw9tYTCuMXhOJZzGcIKKURj2xeegQCt5fb7OlG9J2LszGDGDoprocuywzidMqUwVJHVQcyOjPvUOoo1vA4WbxdHDS077pNnzw4sp6m0RFgVYk58MGDCvnmYWsK5XNVJIg4hhd6DGyrJNoaK3IskFsVYX8CgYASF6ebUwrEvc0m40NF5Yp9FmHZ144BKAI1t06az2FsbiXgfcRZe/Oz0zp0WR3s5OiMvOMTjs3U5AS+b6DD9SyjWLme8+wwBtrvTkfW3mHrmO8f0SYv0vTg/pu1geOmku2h7RY+NVMu5o+YWtVIqUbDyfKIrQVmtmlUn5TutbiEKA==',1795534883096);
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
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',2440517925910375,'b7fc46d7-b4c6-4669-8a5c-fa583df65235','3952df4d81419cb6133d2d93a4a5d08211438186e45bc862f6aa6c01ba433f32',1795542083052,1858614083052);
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',3474474550881360,'2c97a818-8202-4fbd-8c73-8eea14e4959b','a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32',1795534882999,1858606882999);
INSERT INTO "oauth_secrets" VALUES('665a6b4d-b62b-41aa-b204-cb562d1df172',3071639560252795,'93fefe4a-d93d-4187-b222-758cf493233e','23fb7908eff54fc6712e1a71d0d5f0cd488ddac7a5d169eaa1fae598f73e4b5d',1795534883110,1858606883110);
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
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',1980749609127720,3274327432743274,'group','admins','admins','admins',1,0,NULL,'{}',1795534882997);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',2440517925910375,0,'service_principal','80ff0eb5-542d-460e-85bf-fefebb5b91e3','80ff0eb5-542d-460e-85bf-fefebb5b91e3','robot',1,0,NULL,'{}',1795534883012);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',2482043287515512,3274327432743274,'group','users','users','users',1,0,NULL,'{}',1795534882997);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',3474474550881360,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795534882997);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',3800231482235202,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795534882997);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',5778571248695097,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795534882997);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',6703234753557547,3274327432743274,'group','outer','outer','outer',1,0,NULL,'{}',1795534883024);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',6953145058392431,0,'user','ann@example.com','ann@example.com','Ann',1,0,NULL,'{"emails":[{"value":"ann@example.com","type":"work","primary":true}]}',1795534883018);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',7705758632845930,0,'service_principal','0da3ad21-bef0-4bb9-8b6f-4b4ba03285f4','0da3ad21-bef0-4bb9-8b6f-4b4ba03285f4','locked out',1,0,NULL,'{}',1795534883016);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',7886440301663177,3274327432743274,'group','inner','inner','inner',1,0,NULL,'{}',1795534883021);
INSERT INTO "principals" VALUES('665a6b4d-b62b-41aa-b204-cb562d1df172',3071639560252795,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795534883108);
INSERT INTO "principals" VALUES('665a6b4d-b62b-41aa-b204-cb562d1df172',4292663036983353,42,'group','users','users','users',1,0,NULL,'{}',1795534883108);
INSERT INTO "principals" VALUES('665a6b4d-b62b-41aa-b204-cb562d1df172',4330027956666040,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795534883108);
INSERT INTO "principals" VALUES('665a6b4d-b62b-41aa-b204-cb562d1df172',6453054160303229,42,'group','admins','admins','admins',1,0,NULL,'{}',1795534883108);
INSERT INTO "principals" VALUES('665a6b4d-b62b-41aa-b204-cb562d1df172',8411326390599297,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795534883108);
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
INSERT INTO "sign_ins" VALUES('45772d0a-a635-46fb-9d3a-be8c96c9e831',3274327432743274,'32743274-3274-4274-8274-327432743274',0,'databricks-cli','http://localhost:8020','s','offline_access all-apis','y5UF_tmp_ICTDGza-Ou2vUvx2cu7DBN-Xwf_z0RDfTw','redeemed',3800231482235202,'ae905c2558e98110f5db4f79b88c5a995084ef84fda26e52e52f0f0e686b1445','34013d126952c20aac36a9741e11bc2c6a0095e745f695d19028d8de0ec4ce3b',1796146883127);
CREATE TABLE token_acl (
  workspace_id     INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id     INTEGER NOT NULL,
  permission_level TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "token_acl" VALUES(42,4292663036983353,'CAN_USE');
INSERT INTO "token_acl" VALUES(3274327432743274,6703234753557547,'CAN_USE');
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
INSERT INTO "tokens" VALUES('030a18dbae90f11bc8f6e69e70437aab6ab9801c24986e25650a067c47d9238a',42,4330027956666040,4330027956666040,'admin@example.com','after',1795534883117,1858606883117,NULL,NULL,1795534883117,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d',42,4330027956666040,4330027956666040,'admin@example.com','dapi-mock admin token',1795534883110,1858606883110,1795534883112,'Python-urllib/3.11',1795534883112,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('4cb416014cfdca8a30756f0644f62ef4df00d7e5390f13bbc21c805f08342256',3274327432743274,3800231482235202,3800231482235202,'admin@example.com','short',1795534883036,1795538483036,NULL,NULL,1795534883036,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('6e2a7d0c420768e7acfb94eab974555ae8645392aa4ab5f46f44f2fff418eaee',3274327432743274,3800231482235202,3800231482235202,'admin@example.com','with ''quotes'' and ünïcode',1795542083047,1799862083047,NULL,NULL,1795542083047,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('914fef7c982ffa79fe53807c32f2c9f77c2b3b16ed546f671c7fda5669899837',3274327432743274,3800231482235202,3800231482235202,'admin@example.com','scoped',1795542083050,1800726083050,NULL,NULL,1795542083050,'["sql"]','AUTOSCOPE_STATE_USER_SELECTED',NULL);
INSERT INTO "tokens" VALUES('9261c967432b2a5e5ce1c1ed4f4f365ecdf3df0f86d1bee0853974a438d2bbf2',3274327432743274,7705758632845930,3800231482235202,'admin@example.com','locked out',1795534883032,1798126883032,NULL,NULL,1795534883032,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0',3274327432743274,3800231482235202,3800231482235202,'admin@example.com','dapi-mock admin token',1795534882998,1858606882998,1795542083047,'Python-urllib/3.11',1795542083047,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('df2b57cf43a724ace7d59b91f6d971e9d04d03febca1f47d9b502d27022fbf1d',3274327432743274,2440517925910375,3800231482235202,'admin@example.com','of the robot',1795534883029,1798126883029,NULL,NULL,1795534883029,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('ff8797576a6e176b191556d5050259d7c0dcac8b411b6d7e78dc6ec7c1d38687',42,4330027956666040,4330027956666040,'admin@example.com','kept',1795534883112,1858606883112,NULL,NULL,1795534883112,NULL,NULL,NULL);
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
INSERT INTO "tombstones" VALUES('94b38dacd0d14c47fa9b87267fd43be17d54b2d005ec9cfa43bfa227f661e5e6',3274327432743274,3800231482235202,3800231482235202,'admin@example.com','revoked',1795534883039,1858606883039,NULL,NULL,1795534883041,'revoked_by_owner','admin@example.com');
CREATE TABLE workspace_assignments (
  workspace_id INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id INTEGER NOT NULL,
  active       INTEGER NOT NULL,
  entitlements TEXT    NOT NULL,
  roles        TEXT    NOT NULL, direct INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_assignments" VALUES(42,3071639560252795,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,4292663036983353,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,4330027956666040,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,6453054160303229,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,8411326390599297,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,1980749609127720,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,2440517925910375,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,2482043287515512,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,3474474550881360,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,3800231482235202,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,5778571248695097,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,6703234753557547,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,6953145058392431,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,7705758632845930,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,7886440301663177,1,'[]','[]',1);
CREATE TABLE workspace_conf (
  workspace_id   INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  conf_key       TEXT    NOT NULL,
  conf_value     TEXT    NOT NULL,
  -- What applies before effective_at (propagation delay); NULL when it was unset.
  previous_value TEXT,
  effective_at   INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, conf_key)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_conf" VALUES(3274327432743274,'maxTokenLifetimeDays','60',NULL,1795534883043);
CREATE TABLE workspace_settings (
  workspace_id  INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  setting_name  TEXT    NOT NULL,
  setting_value TEXT    NOT NULL,
  etag          TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, setting_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_settings" VALUES(3274327432743274,'restrict_workspace_admins','RESTRICT_TOKENS_AND_JOB_RUN_AS','671543e5-5983-4e9f-8041-01959d4c02ee');
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
INSERT INTO "workspaces" VALUES(42,'665a6b4d-b62b-41aa-b204-cb562d1df172','workspace-42','workspace-42',1795534883108,0,6453054160303229,4292663036983353,'real',0,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}',NULL,NULL,0,6940685971849209);
INSERT INTO "workspaces" VALUES(3274327432743274,'32743274-3274-4274-8274-327432743274','dapi-mock','dapi-mock',1795534882997,1,1980749609127720,2482043287515512,'offset',7200000,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}',NULL,NULL,0,3261928968087119);
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
