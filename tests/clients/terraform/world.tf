# Every resource of the provider that this product has to do with.
terraform {
  required_providers {
    databricks = { source = "databricks/databricks" }
  }
}

variable "conf" {
  type    = map(string)
  default = { maxTokenLifetimeDays = "90" }
}

variable "comment" {
  default = "made by Terraform"
}

variable "name" {
  default = "Ann"
}

data "databricks_current_user" "me" {}

data "databricks_group" "admins" {
  display_name = "admins"
}

resource "databricks_workspace_conf" "this" {
  custom_config = var.conf
}

resource "databricks_token" "mine" {
  comment          = var.comment
  lifetime_seconds = 3600
}

resource "databricks_user" "ann" {
  user_name    = "ann@example.com"
  display_name = var.name
}

resource "databricks_group" "team" {
  display_name = "team of ${var.name}"
}

resource "databricks_group_member" "ann" {
  group_id  = databricks_group.team.id
  member_id = databricks_user.ann.id
}

resource "databricks_service_principal" "ci" {
  display_name         = "ci of ${var.name}"
  allow_cluster_create = true
}

resource "databricks_service_principal_secret" "ci" {
  service_principal_id = databricks_service_principal.ci.id
}

resource "databricks_permissions" "tokens" {
  authorization = "tokens"

  access_control {
    group_name       = databricks_group.team.display_name
    permission_level = "CAN_USE"
  }

  access_control {
    service_principal_name = databricks_service_principal.ci.application_id
    permission_level       = "CAN_USE"
  }
}

resource "databricks_obo_token" "ci" {
  depends_on       = [databricks_permissions.tokens]
  application_id   = databricks_service_principal.ci.application_id
  comment          = "on behalf of ${var.name}"
  lifetime_seconds = 3600
}

output "me" {
  value = data.databricks_current_user.me.user_name
}

output "admins" {
  value = length(data.databricks_group.admins.users) + length(data.databricks_group.admins.service_principals)
}

output "secrets" {
  value = {
    token  = databricks_token.mine.token_value
    obo    = databricks_obo_token.ci.token_value
    client = databricks_service_principal.ci.application_id
    secret = databricks_service_principal_secret.ci.secret
  }
  sensitive = true
}
