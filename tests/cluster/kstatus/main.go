// What Flux, Helm and cli-utils make of objects: each line of the input is one as JSON, each line of the output its status.
// An argument is a file with Flux's healthCheckExprs as JSON; objects of the kinds that it names are judged by them.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func evaluators() map[string]*cel.StatusEvaluator {
	made := map[string]*cel.StatusEvaluator{}
	if len(os.Args) < 2 {
		return made
	}
	told, err := os.ReadFile(os.Args[1])
	check(err)
	var checks []kustomize.CustomHealthCheck
	check(json.Unmarshal(told, &checks))
	for _, one := range checks {
		made[one.APIVersion+" "+one.Kind], err = cel.NewStatusEvaluator(&one.HealthCheckExpressions)
		check(err)
	}
	return made
}

func main() {
	own := evaluators()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 0, 1<<20), 1<<24)
	for lines.Scan() {
		object := &unstructured.Unstructured{}
		check(object.UnmarshalJSON(lines.Bytes()))
		if by := own[object.GetAPIVersion()+" "+object.GetKind()]; by != nil {
			found, err := by.Evaluate(context.Background(), object)
			if err != nil { // as Flux does: it looks again
				found = &status.Result{Status: status.UnknownStatus}
			}
			fmt.Println(found.Status)
			continue
		}
		found, err := status.Compute(object)
		check(err)
		fmt.Println(found.Status)
	}
}
