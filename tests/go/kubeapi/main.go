// Takes objects as an API server does, without one: its own decoding in strict form, its defaults, its validation.
//
// Reads a JSON list of objects. Says what is wrong with each, a line each, and what keeps its pod out of a namespace in
// which the Pod Security level "restricted" is enforced, after the word "restricted". Exits with 1 if anything is wrong.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	autoscalingvalidation "k8s.io/kubernetes/pkg/apis/autoscaling/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
	"k8s.io/pod-security-admission/api"
	podsecurity "k8s.io/pod-security-admission/policy"
)

const namespace = "default" // an object that names none gets it from the request

func invalid(object runtime.Object) field.ErrorList {
	switch one := object.(type) {
	case *apps.Deployment:
		one.Namespace = namespace
		return appsvalidation.ValidateDeployment(one, corevalidation.PodValidationOptions{})
	case *apps.StatefulSet:
		one.Namespace = namespace
		return appsvalidation.ValidateStatefulSet(one, corevalidation.PodValidationOptions{})
	case *core.Service:
		one.Namespace = namespace
		if one.Spec.ClusterIP != "" { // what the server does before it validates
			one.Spec.ClusterIPs = []string{one.Spec.ClusterIP}
		}
		return corevalidation.ValidateServiceCreate(one)
	case *core.ConfigMap:
		one.Namespace = namespace
		return corevalidation.ValidateConfigMap(one)
	case *networking.NetworkPolicy:
		one.Namespace = namespace
		return networkingvalidation.ValidateNetworkPolicy(one, networkingvalidation.NetworkPolicyValidationOptions{})
	case *policy.PodDisruptionBudget:
		one.Namespace = namespace
		return policyvalidation.ValidatePodDisruptionBudget(one, policyvalidation.PodDisruptionBudgetValidationOptions{})
	case *autoscaling.HorizontalPodAutoscaler:
		one.Namespace = namespace
		options := autoscalingvalidation.HorizontalPodAutoscalerSpecValidationOptions{}
		return autoscalingvalidation.ValidateHorizontalPodAutoscaler(one, options)
	}
	return field.ErrorList{field.InternalError(nil, fmt.Errorf("%T is not known here: add it", object))}
}

func podOf(object runtime.Object) *corev1.PodTemplateSpec {
	switch one := object.(type) {
	case *appsv1.Deployment:
		return &one.Spec.Template
	case *appsv1.StatefulSet:
		return &one.Spec.Template
	}
	return nil
}

func main() {
	var objects []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		log.Fatal(err)
	}
	checks, err := podsecurity.NewEvaluator(podsecurity.DefaultChecks())
	if err != nil {
		log.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	codecs := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)
	isWrong := false
	for _, written := range objects {
		given, kind, err := codecs.UniversalDeserializer().Decode(written, nil, nil)
		if err != nil {
			fmt.Println(err)
			isWrong = true
			continue
		}
		if pod := podOf(given); pod != nil {
			for _, result := range checks.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
				if !result.Allowed {
					fmt.Println("restricted", kind.Kind, result.ForbiddenReason, result.ForbiddenDetail)
				}
			}
		}
		taken, _, err := codecs.UniversalDecoder(
			apps.SchemeGroupVersion, autoscaling.SchemeGroupVersion, core.SchemeGroupVersion,
			networking.SchemeGroupVersion, policy.SchemeGroupVersion,
		).Decode(written, nil, nil)
		if err != nil {
			fmt.Println(err)
			isWrong = true
			continue
		}
		for _, problem := range invalid(taken) {
			fmt.Println(kind.Kind, problem)
			isWrong = true
		}
	}
	if isWrong {
		os.Exit(1)
	}
}
