package suite

import (
	"encoding/json"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// The objects of a SARIF log, version 2.1.0 (OASIS, 2020), as far as results of tests need
// them. Their names are the specification's.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string       `json:"id"`
		Short sarifMessage `json:"shortDescription"`
	}
	sarifInvocation struct {
		Successful bool `json:"executionSuccessful"`
		ExitCode   int  `json:"exitCode"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifMessage      `json:"message"`
		Locations    []sarifLocation   `json:"locations,omitempty"`
		Related      []sarifLocation   `json:"relatedLocations,omitempty"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
		Message  *sarifMessage  `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		Line int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"name"`
		Full string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
)

// sarifRules are the kinds of results, in the order of their numbers.
var sarifRules = []sarifRule{
	{string(Differs), sarifMessage{"A search of a scenario shows something else than the scenario expects."}},
	{string(UndecidedTest), sarifMessage{"A search has no verdict, and the scenario expects one."}},
	{string(Error), sarifMessage{"A scenario could not be searched."}},
}

// SARIF writes those results that are not as expected as a SARIF log, at the lines of the
// scenarios' files that say what is expected. Where a failure is, in which function and at which line of the
// libraries' sources, is a related location. The version is the program's, and the exit code that of its command.
func SARIF(w io.Writer, results []Result, version string, code int) error {
	run := sarifRun{
		Tool:        sarifTool{sarifDriver{"emurace", version, sarifRules}},
		Invocations: []sarifInvocation{{code == 0 || code == 1 || code == 5, code}},
		Results:     []sarifResult{},
	}
	for i := range results {
		if r := &results[i]; r.Status != OK {
			run.Results = append(run.Results, r.sarif())
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

func (r *Result) sarif() sarifResult {
	out := sarifResult{
		RuleID: string(r.Status), Level: "error", Message: sarifMessage{r.Title() + "\n" + r.detail()},
		Fingerprints: map[string]string{"emurace/v1": r.Name + " " + r.Sysroot + " " + r.Arch + " " + string(r.Status)},
	}
	for i, rule := range sarifRules {
		if rule.ID == out.RuleID {
			out.RuleIndex = i
		}
	}
	if r.Status == UndecidedTest {
		out.Level = "warning"
	}
	if r.File != "" {
		out.Locations = []sarifLocation{{Physical: &sarifPhysical{sarifArtifact{fileURI(r.File)}, &sarifRegion{max(r.Line, 1)}}}}
	}
	if r.Got == nil {
		return out
	}
	for _, f := range r.Got.Findings {
		l := sarifLocation{Message: &sarifMessage{f.Where()}}
		if f.Function != "" {
			l.Logical = []sarifLogical{{f.Function, f.Function, "function"}}
		}
		if i := strings.LastIndexByte(f.Source, ':'); i > 0 {
			if line, err := strconv.Atoi(f.Source[i+1:]); err == nil && line > 0 {
				l.Physical = &sarifPhysical{sarifArtifact{fileURI(f.Source[:i])}, &sarifRegion{line}}
			}
		}
		if l.Physical == nil && l.Logical == nil {
			continue
		}
		out.Related = append(out.Related, l)
	}
	if out.Locations == nil && len(out.Related) > 0 {
		out.Locations, out.Related = out.Related[:1], out.Related[1:] // of a scenario that ships
	}
	return out
}

// fileURI is the name of a file as a URI reference (RFC 3986): relative as it is.
func fileURI(name string) string {
	u := url.URL{Path: path.Clean(filepath.ToSlash(name))}
	if path.IsAbs(u.Path) {
		u.Scheme = "file"
	}
	return u.String()
}

// Title is a test and how it has ended, in a line.
func (r *Result) Title() string {
	return r.Name + " on " + r.Sysroot + " " + r.Arch + ": " + string(r.Status)
}
