package explore

import (
	"fmt"
	"os"
	"testing"
	"time"

	"emurace/emu"
	"emurace/explore/graph"
	"emurace/loader"
)

func TestDbg(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		if os.Getenv("DBG") != "" {
			debugGraphs = func(f string, a ...any) { fmt.Printf(f+"\n", a...) }
		}
		for _, test := range []struct {
			name    string
			threads []string
		}{
			{"SB", []string{"WxRy", "WyRx 1"}},
			{"MP", []string{"WxWy 1 1", "RyRx"}},
			{"LB", []string{"RxWy", "RyWx"}},
			{"S", []string{"WxWy 2 1", "RyWx"}},
			{"R", []string{"WxWy 1 1", "WyRx 2"}},
			{"2+2W", []string{"WxWy 1 2", "WyWx 1 2"}},
			{"CoRR", []string{"Wx 1", "RxRx"}},
			{"WRC", []string{"Wx 1", "RxWy", "RyRx"}},
			{"RWC", []string{"Wx 1", "RxRy", "WyRx 1"}},
			{"ISA2", []string{"WxWy 1 1", "RyWz", "RzRx"}},
			{"IRIW", []string{"Wx 1", "Wy 1", "RxRy", "RyRx"}},
		} {
			for _, m := range graph.Models() {
				if m == graph.ARM && sys.Arch == loader.AMD64 {
					continue
				}
				got, err := Graphs(t.Context(), program{test.name, litmus, test.threads}.starter(t, sys), m, Options{KeepGoing: true, Jobs: 1, Schedules: 3000, Time: 3 * time.Second})
				if err != nil {
					fmt.Println(err)
					continue
				}
				fmt.Printf("%s %s %d %s\n", test.name, m, got.Schedules, got.Verdict)
			}
		}
	})
}
