-- {"users": ["ann@example.com"], "groups": {"inner": ["8398728416236954", "7811966971310469"], "outer": ["2339448590793077"]}, "robot": {"value": "dapi9d9f6b09e01d57cd4553baa26dc3fb15", "id": "e091748c6c435d410e64dafb6565360db800df39f9f3ec808c9b1a08bd6aedd8"}, "suspended": {"value": "dapi52543f91131bbe053a1578226d68e869", "id": "f25c022868004c1ef48f1fef8196f5c39390bf7e80a1aee847bc028bf5bedfd8"}, "expired": {"value": "dapi4f62653018aeeba7e10b7dac7b030dae", "id": "200214b1b6fc353a775fdd109437423769ab04ae780a979067d066a1f185ba91"}, "revoked": {"value": "dapic9b67029d17d05b9d02c5c14de36ab30", "id": "7ee9c804ed22c2beadc1af8a2c9edd31f316fb8a5f4e243ea99ebdfa858b1af3"}, "conf": {"maxTokenLifetimeDays": "60"}, "live": {"value": "dapi6b9a0a69bf05602258e154b001ed0d47", "id": "3a0da24df703c06c868063331cde46ab31c9e4aeca89b131e6de1e3fc585595f"}, "scoped": {"value": "dapic7ba60a8195a2a1a070e3efe45c35094", "id": "36f84bf85b7fed1fd66d06082304881fe2777b83ed6782e58e4257ea637ef584"}, "client": ["f0d8a02d-bda9-45dd-bb04-e08f692d3e4d", "dosecd74ecce0cde282187ff8a097d5cc543"], "access_token": "eyJraWQiOiIyYzk2OTY3MDgxNzgwYTU3MTU0M2JiM2MwODNiNzgwZWRkNDhlZTdmOGQ1ZTFkODUzMmE0NWQzZmU3MmU0MTNkIiwidHlwIjoiYXQrand0IiwiYWxnIjoiUlMyNTYifQ.eyJjbGllbnRfaWQiOiJmMGQ4YTAyZC1iZGE5LTQ1ZGQtYmIwNC1lMDhmNjkyZDNlNGQiLCJzY29wZSI6ImFsbC1hcGlzIiwiaXNzIjoiaHR0cDovLzEyNy4wLjAuMTozOTM2My9vaWRjIiwiYXVkIjoiMzI3NDMyNzQzMjc0MzI3NCIsInN1YiI6ImYwZDhhMDJkLWJkYTktNDVkZC1iYjA0LWUwOGY2OTJkM2U0ZCIsImlhdCI6MTc5NTUzNjk5MCwiZXhwIjoxNzk1NTQwNTkwLCJqdGkiOiIzMGE5ZWM0MC1mOWQxLTQwYTMtODU5Zi1mYjNlNzZmMTAxZmMifQ.C9lWXue498CWpvuwEenwCe6ov6xkP5Z7TttTXQCWBpk8T4SOs8CqcGSeMw0SCMWThnrDf8yhZViGEreNbPU3ctKh8eCCfrb_KzVKkkDxY9vrFckkHd-5mv2B0eJYP-wZbSIU4bgC6TSDMGe5hN3lJcJ_1UgJ-uRgPM_YkaLhqOq-J467hoXRk74HVFPamqLQYfzBkUlsLHf0GpJTAfyM-NLnAS6pTitCnRJrstjDYb3n5t62C6NAId7SdZfUMfvQyNPelMnSfXxTAMeKbxtdc966c_1HCqDfd_avzPo7d7GdUK2T7WLuKtra1vW-1ekNGN6QGrxGoTOdjV2Ipt2RCA", "setting": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "audit_events": 24, "made_at": 1795529790435}
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
INSERT INTO "_sqlx_migrations" VALUES(1,'init','2026-11-24 14:16:30',1,X'981439543882C3FB1DE3D3AA4716A6208DD9611E2D48D86FA3CC35F0CA5CA6742EDEEA0188E57599BCD4971037026B42',962965);
INSERT INTO "_sqlx_migrations" VALUES(2,'oauth','2026-11-24 14:16:30',1,X'77D0503C26CA224047803B819A9EA5663A33EF1E291FB41C2D60B60CB1DA953D25C6BF71D65ED89CA85AECC529A00027',329691);
INSERT INTO "_sqlx_migrations" VALUES(3,'settings','2026-11-24 14:16:30',1,X'6F7B1CDA212365348C1CAC21FBB20B25FF88804DC6172E8B629BBE39A85F19719D51BCB9DB9A07F3F2757288B898A058',212557);
CREATE TABLE accounts (
  account_id TEXT NOT NULL PRIMARY KEY,
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "accounts" VALUES('32743274-3274-4274-8274-327432743274',1795529790353);
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
) STRICT;
INSERT INTO "audit_events" VALUES(1,3274327432743274,'15559a73-3732-4c1a-91c9-c5a8c1484d8b',1795529790360,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','02b316be-ea3e-4b3b-99a4-fae7497c698d','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL);
INSERT INTO "audit_events" VALUES(2,3274327432743274,'643feadc-064e-48ec-b8dc-0005ff2a7955',1795529790360,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','02b316be-ea3e-4b3b-99a4-fae7497c698d','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"8398728416236954","targetUserName":"f0d8a02d-bda9-45dd-bb04-e08f692d3e4d"}',200,NULL);
INSERT INTO "audit_events" VALUES(3,3274327432743274,'6de00cd6-f628-4e63-a484-c5fc6cc7f67a',1795529790364,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','2536f9ed-7cf3-4b43-aa0a-7f70846467b7','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"4764206423280823","targetUserName":"16adf4af-8972-4ce0-bdb1-98d64f0d45dd"}',200,NULL);
INSERT INTO "audit_events" VALUES(4,3274327432743274,'1fb13d84-276d-468c-9951-2e258d7827e4',1795529790366,'32743274-3274-4274-8274-327432743274','accounts','add','admin@example.com','69ba130d-8c54-413d-933d-44ad16faecab','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetUserId":"7811966971310469","targetUserName":"ann@example.com"}',200,NULL);
INSERT INTO "audit_events" VALUES(5,3274327432743274,'9729306c-dbe0-4362-9175-6be8548122fc',1795529790368,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','94d2efa6-c016-4071-b9dd-aaab61d2c567','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"2339448590793077","targetGroupName":"inner"}',200,NULL);
INSERT INTO "audit_events" VALUES(6,3274327432743274,'f5e49a41-d7d4-48f5-8b14-3d7e8f250c63',1795529790368,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','94d2efa6-c016-4071-b9dd-aaab61d2c567','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"2339448590793077","targetGroupName":"inner","targetUserId":"7811966971310469","targetUserName":"ann@example.com"}',200,NULL);
INSERT INTO "audit_events" VALUES(7,3274327432743274,'63ff89ec-7eb8-48e8-9460-fbadc4759a2c',1795529790368,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','94d2efa6-c016-4071-b9dd-aaab61d2c567','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"2339448590793077","targetGroupName":"inner","targetUserId":"8398728416236954","targetUserName":"f0d8a02d-bda9-45dd-bb04-e08f692d3e4d"}',200,NULL);
INSERT INTO "audit_events" VALUES(8,3274327432743274,'7916cf74-07af-4560-bf09-8df91d10d39d',1795529790370,'32743274-3274-4274-8274-327432743274','accounts','createGroup','admin@example.com','c77027e8-1551-4499-af44-fd22be535c99','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"6332378445028819","targetGroupName":"outer"}',200,NULL);
INSERT INTO "audit_events" VALUES(9,3274327432743274,'9a2b6f59-7b45-424b-9b79-84d580ab2656',1795529790370,'32743274-3274-4274-8274-327432743274','accounts','addPrincipalToGroup','admin@example.com','c77027e8-1551-4499-af44-fd22be535c99','127.0.0.1','Python-urllib/3.11','{"endpoint":"scim","targetGroupId":"6332378445028819","targetGroupName":"outer","targetUserId":"2339448590793077","targetUserName":"inner"}',200,NULL);
INSERT INTO "audit_events" VALUES(10,3274327432743274,'8d2a53f0-a135-436b-92b9-7d9136ede6d5',1795529790372,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','cee4d925-b280-4f73-9316-ef3e34bd872a','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"4764206423280823"}',200,NULL);
INSERT INTO "audit_events" VALUES(11,3274327432743274,'2b96f69c-dbdf-43df-aeba-35fdac72b655',1795529790372,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','cee4d925-b280-4f73-9316-ef3e34bd872a','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"CAN_USE","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"6332378445028819"}',200,NULL);
INSERT INTO "audit_events" VALUES(12,3274327432743274,'4596a84f-f616-4733-a640-205a15db9fb5',1795529790374,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','73572ab9-6a76-4ddd-8807-279c2cd90a46','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1357379283832360","tokenExpirationTime":"1798121790374","tokenHash":"e091748c6c435d410e64dafb6565360db800df39f9f3ec808c9b1a08bd6aedd8","tokenId":"e091748c6c435d410e64dafb6565360db800df39f9f3ec808c9b1a08bd6aedd8","userId":"8398728416236954"}',200,NULL);
INSERT INTO "audit_events" VALUES(13,3274327432743274,'b51bc06f-ea1c-4eb9-bdc9-2363617ed992',1795529790376,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','2b3e168a-56c9-4639-90f6-422993b8b896','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1357379283832360","tokenExpirationTime":"1798121790376","tokenHash":"f25c022868004c1ef48f1fef8196f5c39390bf7e80a1aee847bc028bf5bedfd8","tokenId":"f25c022868004c1ef48f1fef8196f5c39390bf7e80a1aee847bc028bf5bedfd8","userId":"4764206423280823"}',200,NULL);
INSERT INTO "audit_events" VALUES(14,3274327432743274,'4a4f6bbc-91e0-4512-a5aa-84a22c1b1dcf',1795529790378,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','193885c9-8d55-4be5-8633-187b99f4189a','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"4764206423280823"}',200,NULL);
INSERT INTO "audit_events" VALUES(15,3274327432743274,'02df34d8-1729-403d-a4aa-e3582890feb3',1795529790378,'32743274-3274-4274-8274-327432743274','accounts','changeDbTokenAcl','admin@example.com','193885c9-8d55-4be5-8633-187b99f4189a','127.0.0.1','Python-urllib/3.11','{"aclPermissionSet":"","resourceId":"authorization/tokens","shardName":"dapi-mock","targetUserId":"6661800552424442"}',200,NULL);
INSERT INTO "audit_events" VALUES(16,3274327432743274,'5cfa04de-85b3-4e2f-a840-04462cf00ec3',1795529790380,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','196320b1-1a2f-41c9-82b9-13ad79795827','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1357379283832360","tokenExpirationTime":"1795533390380","tokenHash":"200214b1b6fc353a775fdd109437423769ab04ae780a979067d066a1f185ba91","tokenId":"200214b1b6fc353a775fdd109437423769ab04ae780a979067d066a1f185ba91","userId":"1357379283832360"}',200,NULL);
INSERT INTO "audit_events" VALUES(17,3274327432743274,'46151784-923a-4a75-a3de-acf8f052ae6e',1795529790382,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','16584c6f-2e0e-4540-a63e-ae6f363eef84','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1357379283832360","tokenExpirationTime":"1858601790382","tokenHash":"7ee9c804ed22c2beadc1af8a2c9edd31f316fb8a5f4e243ea99ebdfa858b1af3","tokenId":"7ee9c804ed22c2beadc1af8a2c9edd31f316fb8a5f4e243ea99ebdfa858b1af3","userId":"1357379283832360"}',200,NULL);
INSERT INTO "audit_events" VALUES(18,3274327432743274,'bcd56f9d-bd96-4725-be43-45787dcbc592',1795529790383,'32743274-3274-4274-8274-327432743274','accounts','revokeDbToken','admin@example.com','914acde4-909b-4156-8858-83f13e67736a','127.0.0.1','Python-urllib/3.11','{"tokenHash":"7ee9c804ed22c2beadc1af8a2c9edd31f316fb8a5f4e243ea99ebdfa858b1af3","tokenId":"7ee9c804ed22c2beadc1af8a2c9edd31f316fb8a5f4e243ea99ebdfa858b1af3","userId":"1357379283832360"}',200,NULL);
INSERT INTO "audit_events" VALUES(19,3274327432743274,'22fd599a-fa96-47d2-8c38-d64bf813c125',1795529790385,'32743274-3274-4274-8274-327432743274','workspace','workspaceConfEdit','admin@example.com','808c2a1a-e198-48e8-ac5b-41e9fae41bca','127.0.0.1','Python-urllib/3.11','{"workspaceConfKeys":"maxTokenLifetimeDays","workspaceConfValues":"60"}',200,NULL);
INSERT INTO "audit_events" VALUES(20,3274327432743274,'edfd8f93-fff7-487b-ab60-61820320adc4',1795536990389,'32743274-3274-4274-8274-327432743274','accounts','tokenLogin','admin@example.com','ce311d99-6d5d-4157-b898-8fc6ad7f467b','127.0.0.1','Python-urllib/3.11','{"authenticationMethod":"API_EXT_PAT_TOKEN","tokenId":"cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0","user":"admin@example.com"}',200,NULL);
INSERT INTO "audit_events" VALUES(21,3274327432743274,'9f151a7c-5e5e-4999-b0e9-8fbb593e761e',1795536990389,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','ce311d99-6d5d-4157-b898-8fc6ad7f467b','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1357379283832360","tokenExpirationTime":"1799856990389","tokenHash":"3a0da24df703c06c868063331cde46ab31c9e4aeca89b131e6de1e3fc585595f","tokenId":"3a0da24df703c06c868063331cde46ab31c9e4aeca89b131e6de1e3fc585595f","userId":"1357379283832360"}',200,NULL);
INSERT INTO "audit_events" VALUES(22,3274327432743274,'9e87a143-58b4-4f3a-b4d7-1514f1b2fa41',1795536990391,'32743274-3274-4274-8274-327432743274','accounts','generateDbToken','admin@example.com','1caebd8c-ef72-4ecf-945a-4b740c93ea04','127.0.0.1','Python-urllib/3.11','{"tokenCreatedBy":"1357379283832360","tokenExpirationTime":"1800720990391","tokenHash":"36f84bf85b7fed1fd66d06082304881fe2777b83ed6782e58e4257ea637ef584","tokenId":"36f84bf85b7fed1fd66d06082304881fe2777b83ed6782e58e4257ea637ef584","userId":"1357379283832360"}',200,NULL);
INSERT INTO "audit_events" VALUES(23,3274327432743274,'f7d773fb-c68b-4e6b-85ef-135900fca183',1795536990393,'32743274-3274-4274-8274-327432743274','servicePrincipalCredentials','create','admin@example.com','51b40cde-6cf4-4bfd-b0e0-16cc9583864f','127.0.0.1','Python-urllib/3.11','{"secret_id":"c448d30e-e59d-41d2-b4ed-85f5dc1bf858","service_principal":"8398728416236954"}',200,NULL);
INSERT INTO "audit_events" VALUES(24,3274327432743274,'66e3188b-9579-4835-ae8b-5747d098e82c',1795536990431,'32743274-3274-4274-8274-327432743274','accounts','setSetting','32743274-3274-4274-8274-327432743275','7c3dd90c-bf3b-47f6-8094-d698a02ae887','127.0.0.1','Python-urllib/3.11','{"settingTypeName":"restrict_workspace_admins","settingValueForAudit":"RESTRICT_TOKENS_AND_JOB_RUN_AS"}',200,NULL);
CREATE TABLE group_members (
  account_id TEXT    NOT NULL,
  group_id   INTEGER NOT NULL,
  member_id  INTEGER NOT NULL,
  PRIMARY KEY (account_id, group_id, member_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',3598269041531093,1357379283832360);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',6332378445028819,2339448590793077);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',2339448590793077,7811966971310469);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',2339448590793077,8398728416236954);
INSERT INTO "group_members" VALUES('32743274-3274-4274-8274-327432743274',3598269041531093,8419418385892424);
CREATE TABLE oauth_keys (
  kid         TEXT    NOT NULL PRIMARY KEY,
  account_id  TEXT    NOT NULL REFERENCES accounts (account_id),
  -- The RSA modulus as in a JWK; the exponent is 65537.
  modulus     TEXT    NOT NULL,
  -- PKCS#8 in base64.
  private_key TEXT    NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO "oauth_keys" VALUES('2c96967081780a571543bb3c083b780edd48ee7f8d5e1d8532a45d3fe72e413d','32743274-3274-4274-8274-327432743274','zAPPKTuT-c1dTslEvFL2qn5xPzbwXMdvhwNmoSVj0HdgJ2E20oIZrEiIk8hzdCPi8d_Ajs22SfY2lhzoDw_ab48rXep3_5aePCqU06K98dYLy_auEMtnEZS0o7j5h-7Pdg3S5GkcIK6vTAYzshYtmB8-gGmq-5xwHE6oukOI0TjM1F7ZRvQQwlVtNnxvdAFF5mLmuOf33YtnN83lHwOXzuYui4ygxV-4RKRDqPX-I8FDaFXGc_qWF5yCiHLWXsS5Ms--ZmEr_FWNDKe4AsaeUUhe1OZlhINcC8gFsP8x4erw6gSTg8O8W7EiDFJXuADBXF4QDKVO9IXWWZgHqYh3Ew','MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDMA88pO5P5zV1OyUS8UvaqfnE/NvBcx2+HA2ahJWPQd2AnYTbSghmsSIiTyHN0I+Lx38COzbZJ9jaWHOgPD9pvjytd6nf/lp48KpTTor3x1gvL9q4Qy2cRlLSjuPmH7s92DdLkaRwgrq9MBjOyFi2YHz6Aaar7nHAcTqi6Q4jROMzUXtlG9BDCVW02fG90AUXmYua45/fdi2c3zeUfA5fO5i6LjKDFX7hEpEOo9f4jwUNoVcZz+pYXnIKIctZexLkyz75mYSv8VY0Mp7gCxp5RSF7U5mWEg1wLyAWw/zHh6vDqBJODw7xbsSIMUle4AMFcXhAMpU70hdZZmAepiHcTAgMBAAECggEAHkR2aJyhMI9qR3UO0I3ScKr/rCw/btRb1IEJqeC9NUFwr4b5tjN9EZVVRe+YSWPFmLLkg4s7fy+bG5xARXPJqYFpIq7VjMLQyQZcPCXJ3mYuK912J6G1seMJBb08sBEbEF2uqxp5BNRFx5an9sTZkNcZ071Zk6i67UgyOigo1Tk/Pj5P37AbhXnc8zWo8Ud/zNBIm2f8J6buJc8vL7M8DSfrCAjbDjIIgQmdEv7lrlkuB5nTngx7tXRt+qupwtA/kvaKAQIiG1UNz+CkdfEsYudfE/b5kE0CpcnD+ocTg6MPfqMD1QsoZs8EnldvFdI+XWLiTkwGKdTBwxa8dBsx0QKBgQDpuKPcW0/rjuDSLbHf2hdoXVzQnUJ3U41WQL8nPkV99zbn5sAwK/tg7e71t1IKyYHfQ+zPkp9oTFDTntUNK3ONGEwZGcxFz6bE6tTCgBI1SGNlk9NL5QypxrOfdsq5ck9Q4dWPPg2JoEViblR6Md9/ArL2g3eYp7wDifJpWtv0ywKBgQDfdkMo/uotAWSxBHUKD30Yy1hauvnYsvwmRbiKJNGyTircYT2TFtlNzj2Ay85Srz4J1qMRQ/uwVicgcSSN66y8RwIAQKadoAA9qwOiDrvTlmUDfMnCTr/JtU+KhxyJNx3LOFOaIyQ+Nmuhxsz8o3O+effHYjPVsDXCEdohkCoF2QKBgE34CboOQDgd/wQ+uDMsR1jKpJb3j1/NYL4gdWR7EqW2Hfv4765iTccFOQ2BrX3pwUihGVQZ3tHle6VNPFfbYf302BYblBjJ8CGLEZUdMnXSA060pO2RqMrOfce50mFRMAKUhDD4C34ZGGyAz++/yYZOeTNhojkr473ufA8Hf49HAoGAJMNyHSaDJFBcXnsbPkJ6FEAwEw072ZjovusthxyzmyAdERC2bqKNsa1ClRPyp8vI6xlyzn5exA4Idd/nYanqSzdrbts0Di6qm3qtKFZANHlDuSUolF0cVHUN1v6PhUuaDTsBFhS9+7Y8UutAAjhp7GZoi1burDNHRNxnBKqRH1ECgYEAxw85kZlpjkWxVy3pFNI5g9kKpuGEMZhVLQD6p2CItmGejrDA2xZ8CCEgyBwgx78ihYJyK2bhNW8MO95/QoNi7I/OO4AKgGIaw2OSmwLs4hYlswMOuNYQjL2cIfyE2ekTQ/8RPFlI6uuycuJXeUB0EY4L+9PuQC7t+GkKFzPGrmQ=',1795529790423);
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
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',8398728416236954,'c448d30e-e59d-41d2-b4ed-85f5dc1bf858','c405eae0602dfbf083415e813ae1684d11663be410ef35e49efe6cabe41fe35c',1795536990393,1858608990393);
INSERT INTO "oauth_secrets" VALUES('32743274-3274-4274-8274-327432743274',8419418385892424,'f40632fa-a401-43c6-9874-d3a88f11d14a','a6421c5733a723c1295f91e3406784d1bcf43131a18673c1573cac2ad8d6ec32',1795529790354,1858601790354);
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
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',1357379283832360,0,'user','admin@example.com','admin@example.com','Workspace Admin',1,0,NULL,'{"emails":[{"value":"admin@example.com","type":"work","primary":true}]}',1795529790353);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',2339448590793077,3274327432743274,'group','inner','inner','inner',1,0,NULL,'{}',1795529790368);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',3598269041531093,3274327432743274,'group','admins','admins','admins',1,0,NULL,'{}',1795529790353);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',4764206423280823,0,'service_principal','16adf4af-8972-4ce0-bdb1-98d64f0d45dd','16adf4af-8972-4ce0-bdb1-98d64f0d45dd','locked out',1,0,NULL,'{}',1795529790364);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',6332378445028819,3274327432743274,'group','outer','outer','outer',1,0,NULL,'{}',1795529790370);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',6661800552424442,3274327432743274,'group','users','users','users',1,0,NULL,'{}',1795529790353);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',7811966971310469,0,'user','ann@example.com','ann@example.com','Ann',1,0,NULL,'{"emails":[{"value":"ann@example.com","type":"work","primary":true}]}',1795529790366);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8398728416236954,0,'service_principal','f0d8a02d-bda9-45dd-bb04-e08f692d3e4d','f0d8a02d-bda9-45dd-bb04-e08f692d3e4d','robot',1,0,NULL,'{}',1795529790361);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8419418385892424,0,'service_principal','32743274-3274-4274-8274-327432743275','32743274-3274-4274-8274-327432743275','admin-service-principal',1,1,NULL,'{}',1795529790353);
INSERT INTO "principals" VALUES('32743274-3274-4274-8274-327432743274',8734501481320719,0,'user','account-admin@example.com','account-admin@example.com','Account Admin',1,1,NULL,'{"emails":[{"value":"account-admin@example.com","type":"work","primary":true}]}',1795529790353);
CREATE TABLE rule_sets (
  account_id    TEXT NOT NULL REFERENCES accounts (account_id),
  rule_set_name TEXT NOT NULL,
  grant_rules   TEXT NOT NULL,
  etag          TEXT NOT NULL,
  PRIMARY KEY (account_id, rule_set_name)
) STRICT, WITHOUT ROWID;
CREATE TABLE token_acl (
  workspace_id     INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id     INTEGER NOT NULL,
  permission_level TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "token_acl" VALUES(3274327432743274,6332378445028819,'CAN_USE');
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
INSERT INTO "tokens" VALUES('200214b1b6fc353a775fdd109437423769ab04ae780a979067d066a1f185ba91',3274327432743274,1357379283832360,1357379283832360,'admin@example.com','short',1795529790380,1795533390380,NULL,NULL,1795529790380,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('36f84bf85b7fed1fd66d06082304881fe2777b83ed6782e58e4257ea637ef584',3274327432743274,1357379283832360,1357379283832360,'admin@example.com','scoped',1795536990391,1800720990391,NULL,NULL,1795536990391,'["sql"]','AUTOSCOPE_STATE_USER_SELECTED',NULL);
INSERT INTO "tokens" VALUES('3a0da24df703c06c868063331cde46ab31c9e4aeca89b131e6de1e3fc585595f',3274327432743274,1357379283832360,1357379283832360,'admin@example.com','with ''quotes'' and ünïcode',1795536990389,1799856990389,NULL,NULL,1795536990389,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0',3274327432743274,1357379283832360,1357379283832360,'admin@example.com','dapi-mock admin token',1795529790353,1858601790353,1795536990389,'Python-urllib/3.11',1795536990389,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('e091748c6c435d410e64dafb6565360db800df39f9f3ec808c9b1a08bd6aedd8',3274327432743274,8398728416236954,1357379283832360,'admin@example.com','of the robot',1795529790374,1798121790374,NULL,NULL,1795529790374,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES('f25c022868004c1ef48f1fef8196f5c39390bf7e80a1aee847bc028bf5bedfd8',3274327432743274,4764206423280823,1357379283832360,'admin@example.com','locked out',1795529790376,1798121790376,NULL,NULL,1795529790376,NULL,NULL,NULL);
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
INSERT INTO "tombstones" VALUES('7ee9c804ed22c2beadc1af8a2c9edd31f316fb8a5f4e243ea99ebdfa858b1af3',3274327432743274,1357379283832360,1357379283832360,'admin@example.com','revoked',1795529790382,1858601790382,NULL,NULL,1795529790383,'revoked_by_owner','admin@example.com');
CREATE TABLE workspace_assignments (
  workspace_id INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id INTEGER NOT NULL,
  active       INTEGER NOT NULL,
  entitlements TEXT    NOT NULL,
  roles        TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_assignments" VALUES(3274327432743274,1357379283832360,1,'["workspace-access","databricks-sql-access"]','[]');
INSERT INTO "workspace_assignments" VALUES(3274327432743274,2339448590793077,1,'[]','[]');
INSERT INTO "workspace_assignments" VALUES(3274327432743274,3598269041531093,1,'[]','[]');
INSERT INTO "workspace_assignments" VALUES(3274327432743274,4764206423280823,1,'[]','[]');
INSERT INTO "workspace_assignments" VALUES(3274327432743274,6332378445028819,1,'[]','[]');
INSERT INTO "workspace_assignments" VALUES(3274327432743274,6661800552424442,1,'[]','[]');
INSERT INTO "workspace_assignments" VALUES(3274327432743274,7811966971310469,1,'[]','[]');
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8398728416236954,1,'[]','[]');
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8419418385892424,1,'["workspace-access","databricks-sql-access"]','[]');
INSERT INTO "workspace_assignments" VALUES(3274327432743274,8734501481320719,1,'["workspace-access","databricks-sql-access"]','[]');
CREATE TABLE workspace_conf (
  workspace_id   INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  conf_key       TEXT    NOT NULL,
  conf_value     TEXT    NOT NULL,
  -- What applies before effective_at (propagation delay); NULL when it was unset.
  previous_value TEXT,
  effective_at   INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, conf_key)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_conf" VALUES(3274327432743274,'maxTokenLifetimeDays','60',NULL,1795529790385);
CREATE TABLE workspace_settings (
  workspace_id  INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  setting_name  TEXT    NOT NULL,
  setting_value TEXT    NOT NULL,
  etag          TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, setting_name)
) STRICT, WITHOUT ROWID;
INSERT INTO "workspace_settings" VALUES(3274327432743274,'restrict_workspace_admins','RESTRICT_TOKENS_AND_JOB_RUN_AS','67258f47-38a5-4ef0-9d0a-fd1cf440477d');
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
) STRICT;
INSERT INTO "workspaces" VALUES(3274327432743274,'32743274-3274-4274-8274-327432743274','dapi-mock','dapi-mock',1795529790353,1,3598269041531093,6661800552424442,'offset',7200000,'{"tier":"premium","cloud":"aws","permission_loss":"suspend","inactivity_days":90,"never_used_counts_from_creation":true,"propagation_delay_ms":0,"token_value_suffix":null,"permissions_need_a_token":false,"expired_listed_days":30}');
CREATE UNIQUE INDEX principals_by_name ON principals (account_id, workspace_id, kind, name_key);
CREATE INDEX group_members_by_member ON group_members (account_id, member_id);
CREATE INDEX tokens_by_owner ON tokens (workspace_id, owner_id, creation_time, token_id);
CREATE INDEX tokens_by_idle ON tokens (workspace_id, idle_from);
CREATE INDEX tokens_by_expiry ON tokens (workspace_id, expiry_time);
CREATE INDEX tombstones_by_time ON tombstones (workspace_id, ended_at);
CREATE INDEX audit_events_by_workspace ON audit_events (workspace_id, sequence);
CREATE INDEX principals_by_client_id ON principals (kind, name_key);
CREATE INDEX oauth_keys_by_age ON oauth_keys (account_id, created_at, kid);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit_events',24);
COMMIT;
