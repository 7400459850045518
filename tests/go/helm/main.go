// Keeps what go.mod pins: the program that is built is helm's own.
//go:build tools

package tools

import _ "helm.sh/helm/v3/cmd/helm"
