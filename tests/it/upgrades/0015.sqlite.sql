-- {"users": ["ann@example.com"], "groups": {"inner": ["7011995452275961", "6786648492413618"], "outer": ["7704286397111585"]}, "robot": {"value": "dapia58444eaf85714cc077e5e1e6aaa9e1c", "id": "c8bf3d1bd54b865dc20b97e97c895dfc3be32569d7fc11625f9a806007165d30"}, "suspended": {"value": "dapi4d8e5f89f3d51361f08b162a870582d0", "id": "84edac0ce30eed5c6e00e0239113a997801e52543e286ddac527feeb13c59876"}, "expired": {"value": "dapi83d906674fe4793ff2bb18ef5d7d36ce", "id": "3650863c9cdf02fc9d4f5db8b21891f297cdd3e80905bcbf0acfa6d0aba39f6d"}, "revoked": {"value": "dapic1f83305dc30d4c6129c6be4b75867de", "id": "3e52bdab45a3b5ea01b127d14c196522e7cd78fbb4271ad5086904307758c439"}, "conf": {"maxTokenLifetimeDays": "60"}, "live": {"value": "dapi7104011499a99c144bcc4ecc0d613e8e", "id": "634efc42b4e1ff8bda3cf109c01524a8412c8873a96748117fbbc9eb4e270660"}, "scoped": {"value": "dapi05d986752bf4122f842a81ba9b78c389", "id": "46bc7f106e08ee7652c2c58a581bb35c03bfe65fbe9febddd15369048dcb798c"}, "client": ["8ac9f4e4-1f30-44c6-9dd4-deb2b3e5c2c4", "dosea64127278f627b3569bb3efe9ae9eee2"], "access_token": "eyJraWQiOiIwN2ZkNGMyMjgxNzc1MmQ1ZjA5NGU1MTk3NGJjNGJhZWRjYTU2ZjAxYWE1MDFmMjRiYzNjNTNkYTg3ZmFiOTg5IiwidHlwIjoiYXQrand0IiwiYWxnIjoiUlMyNTYifQ.eyJjbGllbnRfaWQiOiI4YWM5ZjRlNC0xZjMwLTQ0YzYtOWRkNC1kZWIyYjNlNWMyYzQiLCJzY29wZSI6ImFsbC1hcGlzIiwiaXNzIjoiaHR0cDovLzEyNy4wLjAuMTozMzcwMy9vaWRjIiwiYXVkIjoiMzI3NDMyNzQzMjc0MzI3NCIsInN1YiI6IjhhYzlmNGU0LTFmMzAtNDRjNi05ZGQ0LWRlYjJiM2U1YzJjNCIsImlhdCI6MTc5NTgwNDc3NywiZXhwIjoxNzk1ODA4Mzc3LCJqdGkiOiJhNjM0Y2MwYi05MDRhLTQ0N2ItYjEzNy03ZjQ2OTA5ZjY5OTYiLCJjcmVhdGlvbiI6NTI0MzU0OTM3NDM3MjEzMn0.dqK0nUQ7vxkTAMxS1NEG7vTu_UF1Eh5iyqvEPUPz4nf3fx5TfU-6Zp55oDmRvRncvGeafoBZfwcVSqz4aipqQZ0Ayj_AtHDkx4zgQzSrlSBdpYxGyxkcP5djVVq6e3xxZ7ABmHIaufg4AMGeNGXT8RIslCsin7MoJrdQGYb39NSlVI-iKqby9yPYYnekVVdjvM_k20v9NuYUlFQqFn1wNbhpQ5iaSMp2qqzjIx4QyXVvdx6XHKCEzA1iiMaXfuu13gt26GpqFu_wS6jT_-wTRocYlWu41UYpOO2rKZSmNGuEzs_5gzFL0VlqGCm-WxRwy6Ofg5dJNmJ56YS8MZ8Nyw", "setting": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "checkpoint": {"kept": "dapi33aafc7d5c98486f6c473089d13ca456", "lost": "dapic58077ba562ecdc257d821d88b130fb3"}, "decoy": "dapic99b5fa6ee3512a05101145a0b558dab", "fault": "/api/2.0/token/list", "refresh_token": "dort5edb611c371e460ab124f2f13bc7d9c7fbf69ae4d14e1aa03361c19e1243baae8c06624b13753885b7d7e8f49781b116", "audit_events": 28, "made_at": 1795797578141}
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
INSERT INTO "_sqlx_migrations" VALUES(1,'init','2026-11-27 16:39:37',1,X'981439543882C3FB1DE3D3AA4716A6208DD9611E2D48D86FA3CC35F0CA5CA6742EDEEA0188E57599BCD4971037026B42',947124);
INSERT INTO "_sqlx_migrations" VALUES(2,'oauth','2026-11-27 16:39:37',1,X'77D0503C26CA224047803B819A9EA5663A33EF1E291FB41C2D60B60CB1DA953D25C6BF71D65ED89CA85AECC529A00027',440734);
INSERT INTO "_sqlx_migrations" VALUES(3,'settings','2026-11-27 16:39:37',1,X'6F7B1CDA212365348C1CAC21FBB20B25FF88804DC6172E8B629BBE39A85F19719D51BCB9DB9A07F3F2757288B898A058',303550);
INSERT INTO "_sqlx_migrations" VALUES(4,'sign in','2026-11-27 16:39:37',1,X'6F3CD001B411185F9BB278458A3377E79F23656E19BEF0F0F7E90817424EAA0C3BD8BA475BB82DE1D24E34BF50B49B6A',282178);
INSERT INTO "_sqlx_migrations" VALUES(5,'account','2026-11-27 16:39:37',1,X'DD03D837E99211F95C8CBB13F8679DE062C81CB893AC2D8729CD12831B50C21FA67C19CAC6C66604D0E0E74EAF39984A',821428);
INSERT INTO "_sqlx_migrations" VALUES(6,'token report','2026-11-27 16:39:37',1,X'D686BE899BB408A853C1C3926F1DB5C8921CDA28685BA0C95735D876ADF1AB481A5B5A14C676D39D86C5837683834682',322889);
INSERT INTO "_sqlx_migrations" VALUES(7,'worlds','2026-11-27 16:39:37',1,X'701D37E6D8DEF51D16BDA9A2D635D35A1DEBB7E3789B35E5FBD6D397B205DA562A01056FF62A8616D11DEC97DABA60FB',1153962);
INSERT INTO "_sqlx_migrations" VALUES(8,'faults','2026-11-27 16:39:37',1,X'250DBCF31BFA14A7E3D4EE1B4F1C3501E5598B45D85FA64787B6481FAAD2F23B822CB978CDCC01AB4F1AA01E6584D9BD',229019);
INSERT INTO "_sqlx_migrations" VALUES(9,'decoys','2026-11-27 16:39:37',1,X'066CFC4EEEE096DD9CF7108C1E08BDEBE5F2BBEFAB9F11AA9C583A0EB92CDD1E3B233DFF6D24F56B1417B4A1D64DDCC7',195149);
INSERT INTO "_sqlx_migrations" VALUES(10,'incarnation','2026-11-27 16:39:37',1,X'B32C0DC0D2F578CC6EFB991459E2B2B23E5BC11FB548BE6914C6836D7C5410EC05D0FBEA17F7EF85595642E5B061790D',423067);
INSERT INTO "_sqlx_migrations" VALUES(11,'page sessions','2026-11-27 16:39:37',1,X'59F95829DCE6D08386EE52F61F6B37B0C926E636F35D7488D58D644051A17053988E450892DCA0D9182906ABCBB70FD1',275478);
INSERT INTO "_sqlx_migrations" VALUES(12,'exchanges','2026-11-27 16:39:37',1,X'F4C105959376BBB13981DB29EEFC5C7CECE9B5A8321A9CAF4AC5779874973C5CB4477AD72D9436EFAD02C0EBE236DAB1',293635);
INSERT INTO "_sqlx_migrations" VALUES(15,'principals','2026-11-27 16:39:37',1,X'CD3E45BAE0944E5F12AA0EDF8CBE9AB9FCD3CE5A7293E093034ABAEBA5329D0B52911CB640691E930F10526D5AB34056',759546);
CREATE TABLE accounts (
  account_id TEXT NOT NULL PRIMARY KEY,
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "accounts" VALUES('32743274-3274-4274-8274-327432743274',1795797577663);
INSERT INTO "accounts" VALUES('35054105-10eb-4d13-a085-555d77b4b4df',1795797578047);
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
INSERT INTO "audit_events" VALUES(1,3274327432743274,'7dd119b3-f15f-4d14-ad52-dfbf8e9db5ba',1795797577706,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','eaf7399c-aaef-4a9b-a383-b26f3c07571e','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(2,3274327432743274,'83ae9723-ba11-4808-990d-091a399f0112',1795797577706,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','eaf7399c-aaef-4a9b-a383-b26f3c07571e','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"7011995452275961","targetUserName":"8ac9f4e4-1f30-44c6-9dd4-deb2b3e5c2c4"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(3,3274327432743274,'c758359b-502d-41fb-87c1-0faf27ea5d83',1795797577713,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','873da758-bc9e-401b-95f7-8b5e884bb8f3','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"2168611060650723","targetUserName":"675bbf4c-7351-41e5-bb5b-1b2b821b6b72"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(4,3274327432743274,'0a1afb22-fdf8-47bf-8204-3501db33803c',1795797577724,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','1954afcf-41b5-4c8d-98d8-09df3e64dfc0','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"6786648492413618","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(5,3274327432743274,'90826d2e-a114-4c4a-9e5b-46182032fb27',1795797577728,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','b0f4e69c-2c11-4466-97c1-697a34238227','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"7704286397111585","targetGroupName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(6,3274327432743274,'7ffc51fc-8b99-4091-bd7b-3ad85c9a2424',1795797577728,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','b0f4e69c-2c11-4466-97c1-697a34238227','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"7704286397111585","targetGroupName":"inner","targetUserId":"6786648492413618","targetUserName":"ann@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(7,3274327432743274,'cb877c2d-ab13-424e-9cb6-ebd1e0764f48',1795797577728,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','b0f4e69c-2c11-4466-97c1-697a34238227','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"7704286397111585","targetGroupName":"inner","targetUserId":"7011995452275961","targetUserName":"8ac9f4e4-1f30-44c6-9dd4-deb2b3e5c2c4"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(8,3274327432743274,'a8215edd-3224-470a-b4b5-242a1bd3e936',1795797577735,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','8a873903-bbd7-462d-a423-0a60452ccc6b','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"2543204700744129","targetGroupName":"outer"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(9,3274327432743274,'04b43e9b-7a13-458b-a69e-77e357d49d4e',1795797577735,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','8a873903-bbd7-462d-a423-0a60452ccc6b','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"2543204700744129","targetGroupName":"outer","targetUserId":"7704286397111585","targetUserName":"inner"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(10,3274327432743274,'54740833-75c2-4b7f-985f-d930b8a00e7b',1795797577741,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','a07a64c2-2383-4e92-a742-4a73e2790b3b','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"2168611060650723"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(11,3274327432743274,'f6e3d3ff-6ac2-4152-b095-ae9115596d91',1795797577741,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','a07a64c2-2383-4e92-a742-4a73e2790b3b','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"2543204700744129"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(12,3274327432743274,'0ce22251-7be9-4ab8-aab9-b8f05d1329c8',1795797577748,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','6b82c400-9318-416c-ae99-303894e918ec','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1447773251288604","tokenExpirationTime":"1798389577748","tokenHash":"c8bf3d1bd54b865dc20b97e97c895dfc3be32569d7fc11625f9a806007165d30","tokenId":"c8bf3d1bd54b865dc20b97e97c895dfc3be32569d7fc11625f9a806007165d30","userId":"7011995452275961"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(13,3274327432743274,'14b0bdce-a687-47df-9af5-2b8aaa072a4b',1795797577754,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','684fc4e8-c0dc-4dfb-b0cd-3cbe40c94b50','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1447773251288604","tokenExpirationTime":"1798389577754","tokenHash":"84edac0ce30eed5c6e00e0239113a997801e52543e286ddac527feeb13c59876","tokenId":"84edac0ce30eed5c6e00e0239113a997801e52543e286ddac527feeb13c59876","userId":"2168611060650723"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(14,3274327432743274,'09eeb7dc-99fb-464e-8e9f-6ac9fbf4994b',1795797577759,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','d8e46801-8e50-4730-9f09-64f350b84d24','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"2168611060650723"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(15,3274327432743274,'14769d20-aa9d-469c-9845-bf7417415793',1795797577759,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','d8e46801-8e50-4730-9f09-64f350b84d24','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"4981866503420952"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(16,3274327432743274,'09719bd3-8c8a-466c-bc34-25f2e37e1bdb',1795797577764,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','2b0f53be-7ff3-447e-8045-4b994061c8f4','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1447773251288604","tokenExpirationTime":"1795801177764","tokenHash":"3650863c9cdf02fc9d4f5db8b21891f297cdd3e80905bcbf0acfa6d0aba39f6d","tokenId":"3650863c9cdf02fc9d4f5db8b21891f297cdd3e80905bcbf0acfa6d0aba39f6d","userId":"1447773251288604"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(17,3274327432743274,'40298c99-f7c7-4d3a-9d3f-537eef900ec5',1795797577767,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','722a3eb5-311d-4261-82d2-9e158933e722','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1447773251288604","tokenExpirationTime":"1858869577767","tokenHash":"3e52bdab45a3b5ea01b127d14c196522e7cd78fbb4271ad5086904307758c439","tokenId":"3e52bdab45a3b5ea01b127d14c196522e7cd78fbb4271ad5086904307758c439","userId":"1447773251288604"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(18,3274327432743274,'908cabdd-bead-46c4-b567-117963057cd2',1795797577772,'32743274-3274-4274-8274-327432743274','accounts','revokeDbToken','admin@example.com','20030b84-2619-4cff-b7cc-929e42f7f5a6','127.0.0.1','Python-urllib/3.11','{"tokenHash":"3e52bdab45a3b5ea01b127d14c196522e7cd78fbb4271ad5086904307758c439","tokenId":"3e52bdab45a3b5ea01b127d14c196522e7cd78fbb4271ad5086904307758c439","userId":"1447773251288604"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(19,3274327432743274,'f70cfa2b-b1a1-4f6d-9d24-84d72979476e',1795797577776,'32743274-3274-4274-8274-327432743274','workspace','workspaceConfEdit','admin@example.com','77b1d395-1dcf-490b-b0c5-80b0c64d4b04','127.0.0.1','Python-urllib/3.11','{"workspaceConfKeys":"maxTokenLifetimeDays","workspaceConfValues":"60"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(20,3274327432743274,'8d4da0f3-d106-4975-a3ac-0a6549e77d65',1795804777784,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','3f87217c-566f-4d63-9828-385f2eda4f80','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(21,3274327432743274,'a938695f-2c8e-42bd-83a8-c9ab19a672a1',1795804777784,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','3f87217c-566f-4d63-9828-385f2eda4f80','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1447773251288604","tokenExpirationTime":"1800124777784","tokenHash":"634efc42b4e1ff8bda3cf109c01524a8412c8873a96748117fbbc9eb4e270660","tokenId":"634efc42b4e1ff8bda3cf109c01524a8412c8873a96748117fbbc9eb4e270660","userId":"1447773251288604"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(22,3274327432743274,'4b950f1f-04b0-4814-a26a-e24bfbaabd8d',1795804777789,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','24efbea4-5167-40eb-a596-44fb1439ffcd','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1447773251288604","tokenExpirationTime":"1800988777789","tokenHash":"46bc7f106e08ee7652c2c58a581bb35c03bfe65fbe9febddd15369048dcb798c","tokenId":"46bc7f106e08ee7652c2c58a581bb35c03bfe65fbe9febddd15369048dcb798c","userId":"1447773251288604"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(23,3274327432743274,'bb765eb0-b655-4aed-9c56-e5739cf2147a',1795804777792,'32743274-3274-4274-8274-327432743274','servicePrincipalCredentials','create','admin@example.com','93500512-6899-45cf-9d7c-5bd0fbcdc557','127.0.0.1','Python-urllib/3.11','{"secret_id":"3b20a433-6873-480e-98e8-5db0d40df754","service_principal":"7011995452275961"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(24,3274327432743274,'246ad314-541a-45aa-9dd7-14108238e0a4',1795804777798,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','8ac9f4e4-1f30-44c6-9dd4-deb2b3e5c2c4','05dbe0bb-b735-4708-b24c-d2678bfa1984','127.0.0.1','Python-urllib/3.11','{"client_id":"8ac9f4e4-1f30-44c6-9dd4-deb2b3e5c2c4","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(25,3274327432743274,'109c5caf-f3d9-4961-ba20-38b4593910cc',1795804778033,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','32743274-3274-4274-8274-327432743275','9c513319-f2f4-4bfa-85d7-f11343729e4e','127.0.0.1','Python-urllib/3.11','{"client_id":"32743274-3274-4274-8274-327432743275","expires_in":"3600","grant_type":"client_credentials","scope":"all-apis"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(26,3274327432743274,'ddc2807a-4cea-4134-96fd-fbd104d255c4',1795804778042,'32743274-3274-4274-8274-327432743274','accounts','setSetting','32743274-3274-4274-8274-327432743275','b34f9255-21dd-4f83-b41f-6a29ece4aa57','127.0.0.1','Python-urllib/3.11','{"settingTypeName":"restrict_workspace_admins","settingValueForAudit":"RESTRICT_TOKENS_AND_JOB_RUN_AS"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(27,42,'208730fd-b2b9-4a02-bfec-9300d69eb3a7',1795797578055,'35054105-10eb-4d13-a085-555d77b4b4df','accounts','tokenLogin','admin@example.com','0664bb81-7ac2-4f00-b565-88390add65cd','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(28,42,'8863052f-f0b3-4c24-96fb-912d9b440387',1795797578055,'35054105-10eb-4d13-a085-555d77b4b4df','accounts','generateDbToken','admin@example.com','0664bb81-7ac2-4f00-b565-88390add65cd','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1704861184190141","tokenExpirationTime":"1858869578055","tokenHash":"1dff250abdeac49bdbfbe49eaa604ad3b1576a6747e559417bc81b459db825b8","tokenId":"1dff250abdeac49bdbfbe49eaa604ad3b1576a6747e559417bc81b459db825b8","userId":"1704861184190141"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(29,42,'6532112f-2bb3-4143-9ed6-a427c1e48e1b',1795797578092,'35054105-10eb-4d13-a085-555d77b4b4df','accounts','generateDbToken','admin@example.com','04c0bf7a-72e4-4e24-b81c-c96a0e3f8cb8','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1704861184190141","tokenExpirationTime":"1858869578092","tokenHash":"72ebbae16d839f96adc0407f6424cb1868a116d7f493d6db6823b8faf3fcc04a","tokenId":"72ebbae16d839f96adc0407f6424cb1868a116d7f493d6db6823b8faf3fcc04a","userId":"1704861184190141"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(30,3274327432743274,'eb2a4e8e-cfe8-4c0b-8435-9b3a8f2628cc',1795804778127,'32743274-3274-4274-8274-327432743274','accounts','oidcBrowserLogin','admin@example.com','0219c87f-14ab-48d4-abea-a3b107a5f0c3','127.0.0.1','Python-urllib/3.11','{"user":"admin@example.com"}',200,NULL,0);
INSERT INTO "audit_events" VALUES(31,3274327432743274,'b995b76c-9e70-442a-814f-e653f7bca5e1',1795804778133,'32743274-3274-4274-8274-327432743274','accounts','mintOAuthToken','admin@example.com','c2beb621-415b-4acc-a8e2-d2a0b0a2366d','127.0.0.1','Python-urllib/3.11','{"client_id":"databricks-cli","expires_in":"3600","grant_type":"authorization_code","scope":"offline_access all-apis"}',200,NULL,0);
CREATE TABLE checkpoint_rows (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  table_name      TEXT    NOT NULL,
  is_account      INTEGER NOT NULL,
  content         TEXT    NOT NULL
) STRICT;
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspaces',0,'{"workspace_id":3274327432743274,"account_id":"32743274-3274-4274-8274-327432743274","name":"dapi-mock","deployment_name":"dapi-mock","created_at":1795797577663,"is_default":1,"admins_group_id":6840655769905116,"users_group_id":4981866503420952,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":4981866503420952,"workspace_id":3274327432743274,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797577663,"creation":5021056632088943}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',0,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":6840655769905116,"workspace_id":3274327432743274,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797577663,"creation":4416125481582780}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":1447773251288604,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797577663,"creation":2674334333509893}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":2451761081152566,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797577663,"creation":8366778602097538}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','principals',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":2957761801053539,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795797577663,"creation":5791667170316158}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":6840655769905116,"member_id":1447773251288604}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','group_members',0,'{"account_id":"32743274-3274-4274-8274-327432743274","group_id":6840655769905116,"member_id":2957761801053539}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":1447773251288604,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":2451761081152566,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":2957761801053539,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":4981866503420952,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','workspace_assignments',0,'{"workspace_id":3274327432743274,"principal_id":6840655769905116,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','token_acl',0,'{"workspace_id":3274327432743274,"principal_id":4981866503420952,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','tokens',0,'{"token_id":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","workspace_id":3274327432743274,"owner_id":1447773251288604,"created_by_id":1447773251288604,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795797577665,"expiry_time":1858869577665,"last_used_at":null,"last_client":null,"idle_from":1795797577665,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(3274327432743274,'empty','oauth_secrets',1,'{"account_id":"32743274-3274-4274-8274-327432743274","principal_id":2957761801053539,"secret_id":"a50bb919-ba7b-4221-bc9b-effc4caa9519","secret_hash":"a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32","created_at":1795797577671,"expires_at":1858869577671}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspaces',0,'{"workspace_id":42,"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","name":"workspace-42","deployment_name":"workspace-42","created_at":1795797578047,"is_default":0,"admins_group_id":2384105352542537,"users_group_id":5821984836938502,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","principal_id":2384105352542537,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797578047,"creation":6299840669368545}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',0,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","principal_id":5821984836938502,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797578047,"creation":7056958004948866}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","principal_id":1704861184190141,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797578047,"creation":1721106971867025}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","principal_id":6112310394329153,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795797578047,"creation":2019856577535584}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','principals',1,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","principal_id":7928419105530486,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797578047,"creation":2317897878994377}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","group_id":2384105352542537,"member_id":1704861184190141}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','group_members',0,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","group_id":2384105352542537,"member_id":6112310394329153}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":1704861184190141,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":2384105352542537,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":5821984836938502,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":6112310394329153,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','workspace_assignments',0,'{"workspace_id":42,"principal_id":7928419105530486,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','token_acl',0,'{"workspace_id":42,"principal_id":5821984836938502,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":1704861184190141,"created_by_id":1704861184190141,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795797578049,"expiry_time":1858869578049,"last_used_at":null,"last_client":null,"idle_from":1795797578049,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'empty','oauth_secrets',1,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","principal_id":6112310394329153,"secret_id":"181f35bd-7e5f-4d4d-8d0f-97a210ea4d0e","secret_hash":"ab4c7d996d6c022d71f8e1e09020fadfbd11f35797a259263494c8b73fb41afa","created_at":1795797578049,"expires_at":1858869578049}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspaces',0,'{"workspace_id":42,"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","name":"workspace-42","deployment_name":"workspace-42","created_at":1795797578047,"is_default":0,"admins_group_id":2384105352542537,"users_group_id":5821984836938502,"clock_mode":"real","clock_value":0,"behaviour":"{\"tier\":\"premium\",\"cloud\":\"aws\",\"permission_loss\":\"suspend\",\"inactivity_days\":90,\"never_used_counts_from_creation\":true,\"propagation_delay_ms\":0,\"token_value_suffix\":null,\"permissions_need_a_token\":false,\"expired_listed_days\":30}","delete_at":null,"entropy_seed":null,"entropy_drawn":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","principal_id":2384105352542537,"workspace_id":42,"kind":"group","name":"admins","name_key":"admins","display_name":"admins","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797578047,"creation":6299840669368545}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',0,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","principal_id":5821984836938502,"workspace_id":42,"kind":"group","name":"users","name_key":"users","display_name":"users","active":1,"account_admin":0,"external_id":null,"attributes":"{}","created_at":1795797578047,"creation":7056958004948866}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","principal_id":1704861184190141,"workspace_id":0,"kind":"user","name":"admin@example.com","name_key":"admin@example.com","display_name":"Workspace Admin","active":1,"account_admin":0,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797578047,"creation":1721106971867025}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","principal_id":6112310394329153,"workspace_id":0,"kind":"service_principal","name":"32743274-3274-4274-8274-327432743275","name_key":"32743274-3274-4274-8274-327432743275","display_name":"admin-service-principal","active":1,"account_admin":1,"external_id":null,"attributes":"{}","created_at":1795797578047,"creation":2019856577535584}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','principals',1,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","principal_id":7928419105530486,"workspace_id":0,"kind":"user","name":"account-admin@example.com","name_key":"account-admin@example.com","display_name":"Account Admin","active":1,"account_admin":1,"external_id":null,"attributes":"{\"emails\":[{\"value\":\"account-admin@example.com\",\"type\":\"work\",\"primary\":true}]}","created_at":1795797578047,"creation":2317897878994377}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","group_id":2384105352542537,"member_id":1704861184190141}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','group_members',0,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","group_id":2384105352542537,"member_id":6112310394329153}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":1704861184190141,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":2384105352542537,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":5821984836938502,"active":1,"entitlements":"[]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":6112310394329153,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','workspace_assignments',0,'{"workspace_id":42,"principal_id":7928419105530486,"active":1,"entitlements":"[\"workspace-access\",\"databricks-sql-access\"]","roles":"[]","direct":1}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','token_acl',0,'{"workspace_id":42,"principal_id":5821984836938502,"permission_level":"CAN_USE"}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d","workspace_id":42,"owner_id":1704861184190141,"created_by_id":1704861184190141,"created_by_username":"admin@example.com","comment":"dapi-mock admin token","creation_time":1795797578049,"expiry_time":1858869578049,"last_used_at":1795797578055,"last_client":"Python-urllib/3.11","idle_from":1795797578055,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','tokens',0,'{"token_id":"1dff250abdeac49bdbfbe49eaa604ad3b1576a6747e559417bc81b459db825b8","workspace_id":42,"owner_id":1704861184190141,"created_by_id":1704861184190141,"created_by_username":"admin@example.com","comment":"kept","creation_time":1795797578055,"expiry_time":1858869578055,"last_used_at":null,"last_client":null,"idle_from":1795797578055,"scopes":null,"autoscope_state":null,"inferred_scopes":null}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":27,"workspace_id":42,"event_id":"208730fd-b2b9-4a02-bfec-9300d69eb3a7","event_time":1795797578055,"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","service_name":"accounts","action_name":"tokenLogin","actor":"admin@example.com","request_id":"0664bb81-7ac2-4f00-b565-88390add65cd","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"authenticationMethod\":\"API_EXT_PAT_TOKEN\",\"tokenId\":\"446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d\",\"user\":\"admin@example.com\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','audit_events',0,'{"sequence":28,"workspace_id":42,"event_id":"8863052f-f0b3-4c24-96fb-912d9b440387","event_time":1795797578055,"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","service_name":"accounts","action_name":"generateDbToken","actor":"admin@example.com","request_id":"0664bb81-7ac2-4f00-b565-88390add65cd","source_ip":"127.0.0.1","user_agent":"Python-urllib/3.11","request_params":"{\"tokenCreatedBy\":\"1704861184190141\",\"tokenExpirationTime\":\"1858869578055\",\"tokenHash\":\"1dff250abdeac49bdbfbe49eaa604ad3b1576a6747e559417bc81b459db825b8\",\"tokenId\":\"1dff250abdeac49bdbfbe49eaa604ad3b1576a6747e559417bc81b459db825b8\",\"userId\":\"1704861184190141\"}","status_code":200,"error_message":null,"account_level":0}');
INSERT INTO "checkpoint_rows" VALUES(42,'before','oauth_secrets',1,'{"account_id":"35054105-10eb-4d13-a085-555d77b4b4df","principal_id":6112310394329153,"secret_id":"181f35bd-7e5f-4d4d-8d0f-97a210ea4d0e","secret_hash":"ab4c7d996d6c022d71f8e1e09020fadfbd11f35797a259263494c8b73fb41afa","created_at":1795797578049,"expires_at":1858869578049}');
CREATE TABLE checkpoints (
  workspace_id    INTEGER NOT NULL,
  checkpoint_name TEXT    NOT NULL,
  created_at      INTEGER NOT NULL,
  has_account     INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, checkpoint_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "checkpoints" VALUES(42,'before',1795797578088,1);
INSERT INTO "checkpoints" VALUES(42,'empty',1795797578050,1);
INSERT INTO "checkpoints" VALUES(3274327432743274,'empty',1795797577680,1);
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
INSERT INTO "decoys" VALUES(3274327432743274,'7683e51161bf85b1686ac4cb7ccf625d5f2e93fdd32ba45084699eeea24f576c','bait',1795804778100,0,NULL,NULL,NULL);
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
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',6840655769905116,1447773251288604);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',6840655769905116,2957761801053539);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',7704286397111585,6786648492413618);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',7704286397111585,7011995452275961);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',2543204700744129,7704286397111585);
INSERT INTO "group_members" VALUES('35054105-10eb-4d13-a085-555d77b4b4df',2384105352542537,1704861184190141);
INSERT INTO "group_members" VALUES('35054105-10eb-4d13-a085-555d77b4b4df',2384105352542537,6112310394329153);
CREATE TABLE oauth_keys (
  kid         TEXT    NOT NULL PRIMARY KEY,
  account_id  TEXT    NOT NULL REFERENCES accounts (account_id),
  -- The RSA modulus as in a JWK; the exponent is 65537.
  modulus     TEXT    NOT NULL,
  -- PKCS#8 in base64.
  private_key TEXT    NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO "oauth_keys" VALUES('07fd4c22817752d5f094e51974bc4baedca56f01aa501f24bc3c53da87fab989','32743274-3274-4274-8274-327432743274','xExJCQofpD85VsUX9XqJCHwQXqGtUWl5ssCR4y_v-KPifytHYsBusOlzKQ_hlexm6HxcMNhTZuKTFxwCWBEroHDfcAInayLHaR_TYZT7g4dBuf04OD2kQ408PfxUjZLz3OyVZjW7AQwJkJtiu4VbWRj1ushsMSEoy1IT-h9Zh6wp0VtJLsf9m5e67c6txjHqgkCpbcmXY87rilzyaBSHp9edjQzJR0iXntfHXdLG1m74RodDWA-crtZBRrVoqFcalRsokhnxo9I17iXvIntfNsVopync5m-j03TwWW_LPcIzULo93SUa_LWu7yxrUcTH_KGio2Rsxa3yerCrnDynIQ','MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDETEkJCh+kPzlWxRf1eokIfBBeoa1RaXmywJHjL+/4o+J/K0diwG6w6XMpD+GV7GbofFww2FNm4pMXHAJYESugcN9wAidrIsdpH9NhlPuDh0G5/Tg4PaRDjTw9/FSNkvPc7JVmNbsBDAmQm2K7hVtZGPW6yGwxISjLUhP6H1mHrCnRW0kux/2bl7rtzq3GMeqCQKltyZdjzuuKXPJoFIen152NDMlHSJee18dd0sbWbvhGh0NYD5yu1kFGtWioVxqVGyiSGfGj0jXuJe8ie182xWinKdzmb6PTdPBZb8s9wjNQuj3dJRr8ta7vLGtRxMf8oaKjZGzFrfJ6sKucPKchAgMBAAECggEAeySEGMiiCu6isN1Z52RkfM8fkc4JJW5uqwWFP6l9+FQPLcnfsYKYriD1XogY821nLWd+iiHbSErRDYlDqy2yWacVdHXVdq9Nu5P8jlXg5qU+RUgmMZnx53K9nQEjpeDPXQOJwaHpW4HKqk3gRVUmdiFjXjaHMNbleY9W+u0ZxDLSPpl8B1KX0hkzzx/JAP6medG+ibtyz1PcksqSoZVAhe+QG9TNYpcRwX4lGDR+vdAqv2ZfBQiN6XL+PGHpjUabJOkkyFQOQWPhyWkYrRlYtSUBSTURitdMyOKZl1jvsh7AtpcKq3ouBWnh1Sl/5/QWW1lFpAilYRsED7DtqrLH9QKBgQDVmbhOh37YgRWXhGsE1q1ZcLbsKXLOeOoJR1I7EnRoIg/KP+K2qh3SHlvtLXOw2YkO5T0DH0Y/gHqr+J8QLS29yx8wy0kb7DwiK9B3MuvJGN78T4qc2enZgMh85qRxPagvzVzB0eSO74zLJEy2O3aGw4diPzqFjEp7yIq3wYT6wwKBgQDrQ1NvUAn64C6s+IaifG/3NxvcKtQAT+Gj7AKBtXSsGkAdAUE0JhJUUjaoN5jVQLU3DIMhKQqzluyLMMInfoEdAVnDYCs/7IM/FTzHaA3tnKWuXPMwLwnWQJHybkBzjfmhJa3dKllzcIubZm2gd7K71/Lyyq3QbGOpcH5Z80kQSwKBgQCfNdoT5pjcpbLDYjcmvyEsxoACHY7uaWAAlIGteD7+E01zshS5lKlvoaNhcPyHuE2ZpbLJbfk9gfVt0340X4h1rD5Ob2fKAVZ9He1fu7vWA8zJgjxOV3sf3QcTWhL+OTfwkYDvExTqmZF3JVJsjnv1TS7PQ1PKkVw/UaZb+0m0YwKBgBtmlwQi7Vaj36vTslKgbaX8bClDb7etlhkydsRGrxUQZaE7MS3ytTXO8YC8IPfNdo23zloBXra2AEzh2+sfp8gKDTtdKwxh7pNdVNvguaaQFRfuyYA2Kk4i7RywTJ9ozMdBDTPyJ8LzO79YubHz3wRTzX8LrhzVUvI8IOs3E65rAoGBANFQI/slSyUcUX7TL1p5E0F9uI5PRiWjfs7j8SDmNzi5yU6EFjXCrX5jY1Bq0nnLS6QZ7xaUiQOL88Hywv3ydfk6XIL13gozqikWSQgmTjZZ32nN45TPunidIA0TY72dWTUHPWRzo55w3kOz8ShfVVHUK2a3DJJhyL1EXlXlTtGI',1795797578015);
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
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',2957761801053539,'a50bb919-ba7b-4221-bc9b-effc4caa9519','a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32',1795797577671,1858869577671);
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',7011995452275961,'3b20a433-6873-480e-98e8-5db0d40df754','2fbb3e48ae43e9a3ce0e8cc3e9ed16d53b45648cdb6b972d21c47ae3a88da020',1795804777792,1858876777792);
INSERT INTO "oauth_secrets" VALUES('35054105-10eb-4d13-a085-555d77b4b4df',6112310394329153,'181f35bd-7e5f-4d4d-8d0f-97a210ea4d0e','ab4c7d996d6c022d71f8e1e09020fadfbd11f35797a259263494c8b73fb41afa',1795797578049,1858869578049);
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
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',1447773251288604,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795797577663,2674334333509893);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',2168611060650723,0,'service_principal','675bbf4c-7351-41e5-bb5b-1b2b821b6b72','675bbf4c-7351-41e5-bb5b-1b2b821b6b72','locked out',1,0,NULL,'{}',1795797577714,4753319924031113);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',2451761081152566,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795797577663,8366778602097538);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',2543204700744129,3274327432743274,'group','outer','outer','outer',1,0,NULL,'{}',1795797577736,5747992787199915);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',2957761801053539,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795797577663,5791667170316158);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',4981866503420952,3274327432743274,'group','users','users','users',1,0,NULL,'{}',1795797577663,5021056632088943);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',6786648492413618,0,'user','ann@example.com','ann@example.com','Ann',1,0,NULL,'{"emails":[{"value":"ann@example.com","type":"work","primary":true}]}',1795797577724,2613353877296977);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',6840655769905116,3274327432743274,'group','admins','admins','admins',1,0,NULL,'{}',1795797577663,4416125481582780);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',7011995452275961,0,'service_principal','8ac9f4e4-1f30-44c6-9dd4-deb2b3e5c2c4','8ac9f4e4-1f30-44c6-9dd4-deb2b3e5c2c4','robot',1,0,NULL,'{}',1795797577708,5243549374372132);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',7704286397111585,3274327432743274,'group','inner','inner','inner',1,0,NULL,'{}',1795797577729,7570720399081906);
INSERT INTO "principals" VALUES('35054105-10eb-4d13-a085-555d77b4b4df',1704861184190141,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795797578047,1721106971867025);
INSERT INTO "principals" VALUES('35054105-10eb-4d13-a085-555d77b4b4df',2384105352542537,42,'group','admins','admins','admins',1,0,NULL,'{}',1795797578047,6299840669368545);
INSERT INTO "principals" VALUES('35054105-10eb-4d13-a085-555d77b4b4df',5821984836938502,42,'group','users','users','users',1,0,NULL,'{}',1795797578047,7056958004948866);
INSERT INTO "principals" VALUES('35054105-10eb-4d13-a085-555d77b4b4df',6112310394329153,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795797578047,2019856577535584);
INSERT INTO "principals" VALUES('35054105-10eb-4d13-a085-555d77b4b4df',7928419105530486,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795797578047,2317897878994377);
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
INSERT INTO "sign_ins" VALUES('5edb611c-371e-460a-b124-f2f13bc7d9c7',3274327432743274,'32743274-3274-4274-8274-327432743274',0,'databricks-cli','http://localhost:8020','s','offline_access all-apis','y5UF_tmp_ICTDGza-Ou2vUvx2cu7DBN-Xwf_z0RDfTw','redeemed',1447773251288604,'bbefd78bc129f9f66786195ff88a98ff2d703abfe1ac79ee71273d474f625f6d','c295775a707de06c785af7522a08eb1d12826f9af560aab96adf31f6dd0f9aab',1796409578133);
CREATE TABLE token_acl (
  workspace_id     INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id     INTEGER NOT NULL,
  permission_level TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "token_acl" VALUES(42,5821984836938502,'CAN_USE');
INSERT INTO "token_acl" VALUES(3274327432743274,2543204700744129,'CAN_USE');
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
INSERT INTO "tokens" VALUES('1dff250abdeac49bdbfbe49eaa604ad3b1576a6747e559417bc81b459db825b8',42,1704861184190141,1704861184190141,'admin@example.com','kept',1795797578055,1858869578055,NULL,NULL,1795797578055,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('3650863c9cdf02fc9d4f5db8b21891f297cdd3e80905bcbf0acfa6d0aba39f6d',3274327432743274,1447773251288604,1447773251288604,'admin@example.com','short',1795797577764,1795801177764,NULL,NULL,1795797577764,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('446536ea114c9aaadd292d98419a0f2b1575a9f6013b41e372915d477ffac37d',42,1704861184190141,1704861184190141,'admin@example.com','dapi-mock admin token',1795797578049,1858869578049,1795797578055,'Python-urllib/3.11',1795797578055,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('46bc7f106e08ee7652c2c58a581bb35c03bfe65fbe9febddd15369048dcb798c',3274327432743274,1447773251288604,1447773251288604,'admin@example.com','scoped',1795804777789,1800988777789,NULL,NULL,1795804777789,'["sql"]','AUTOSCOPE_STATE_USER_SELECTED',NULL);
INSERT INTO "tokens" VALUES('634efc42b4e1ff8bda3cf109c01524a8412c8873a96748117fbbc9eb4e270660',3274327432743274,1447773251288604,1447773251288604,'admin@example.com','with ''quotes'' and ünïcode',1795804777784,1800124777784,NULL,NULL,1795804777784,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('72ebbae16d839f96adc0407f6424cb1868a116d7f493d6db6823b8faf3fcc04a',42,1704861184190141,1704861184190141,'admin@example.com','after',1795797578092,1858869578092,NULL,NULL,1795797578092,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('84edac0ce30eed5c6e00e0239113a997801e52543e286ddac527feeb13c59876',3274327432743274,2168611060650723,1447773251288604,'admin@example.com','locked out',1795797577754,1798389577754,NULL,NULL,1795797577754,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('c8bf3d1bd54b865dc20b97e97c895dfc3be32569d7fc11625f9a806007165d30',3274327432743274,7011995452275961,1447773251288604,'admin@example.com','of the robot',1795797577748,1798389577748,NULL,NULL,1795797577748,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0',3274327432743274,1447773251288604,1447773251288604,'admin@example.com','dapi-mock admin token',1795797577665,1858869577665,1795804777784,'Python-urllib/3.11',1795804777784,NULL,NULL,NULL);
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
INSERT INTO "tombstones" VALUES('3e52bdab45a3b5ea01b127d14c196522e7cd78fbb4271ad5086904307758c439',3274327432743274,1447773251288604,1447773251288604,'admin@example.com','revoked',1795797577767,1858869577767,NULL,NULL,1795797577772,'revoked_by_owner','admin@example.com');
CREATE TABLE workspace_assignments (
  workspace_id INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id INTEGER NOT NULL,
  active       INTEGER NOT NULL,
  entitlements TEXT    NOT NULL,
  roles        TEXT    NOT NULL, direct INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_assignments" VALUES(42,1704861184190141,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,2384105352542537,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,5821984836938502,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,6112310394329153,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(42,7928419105530486,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,1447773251288604,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,2168611060650723,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,2451761081152566,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,2543204700744129,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,2957761801053539,1,'["workspace-access","databricks-sql-access"]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,4981866503420952,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,6786648492413618,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,6840655769905116,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,7011995452275961,1,'[]','[]',1);
INSERT INTO "workspace_assignments" VALUES(3274327432743274,7704286397111585,1,'[]','[]',1);
CREATE TABLE workspace_conf (
  workspace_id   INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  conf_key       TEXT    NOT NULL,
  conf_value     TEXT    NOT NULL,
  -- What applies before effective_at (propagation delay); NULL when it was unset.
  previous_value TEXT,
  effective_at   INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, conf_key)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_conf" VALUES(3274327432743274,'maxTokenLifetimeDays','60',NULL,1795797577776);
CREATE TABLE workspace_settings (
  workspace_id  INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  setting_name  TEXT    NOT NULL,
  setting_value TEXT    NOT NULL,
  etag          TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, setting_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_settings" VALUES(3274327432743274,'restrict_workspace_admins','RESTRICT_TOKENS_AND_JOB_RUN_AS','be5c5182-6ea9-4721-b97c-5e406233cdcc');
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
INSERT INTO "workspaces" VALUES(42,'35054105-10eb-4d13-a085-555d77b4b4df','workspace-42','workspace-42',1795797578047,0,2384105352542537,5821984836938502,'real',0,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}',NULL,NULL,0,3554130096913169);
INSERT INTO "workspaces" VALUES(3274327432743274,'32743274-3274-4274-8274-327432743274','dapi-mock','dapi-mock',1795797577663,1,6840655769905116,4981866503420952,'offset',7200000,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}',NULL,NULL,0,3031988972050674);
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
CREATE INDEX principals_by_age ON principals (account_id, kind, created_at, principal_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit_events',31);
COMMIT;
