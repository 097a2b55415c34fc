package scripts

import "emurace/scenario"

// Default is the scenario that runs when none is named.
const Default = "getenv-setenv"

// All lists the scenarios, by name.
func All() []*scenario.Scenario { return []*scenario.Scenario{GetenvSetenv} }

// Find returns the scenario of a name.
func Find(name string) (*scenario.Scenario, bool) {
	for _, s := range All() {
		if s.Name == name {
			return s, true
		}
	}
	return nil, false
}
