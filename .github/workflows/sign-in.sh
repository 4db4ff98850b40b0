#!/usr/bin/env bash
# Exchanges the job's own token for a session of the Azure CLI. Nothing is printed.
set -euo pipefail
token=$(curl --silent --show-error --fail --header "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
  "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=api://AzureADTokenExchange" | jq -r .value)
az login --service-principal --username "$AZURE_CLIENT_ID" --tenant "$AZURE_TENANT_ID" --federated-token "$token" --output none
az account set --subscription "$AZURE_SUBSCRIPTION_ID"
