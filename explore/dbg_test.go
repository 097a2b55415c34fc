package explore

import (
	"fmt"
	"testing"
	"time"

	"emurace/emu"
	"emurace/explore/graph"
)

func TestDbg(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		_ = debugGraphs
		for i, r := range append(textbook(), published()...) {
			if r.want > 1000 || i < 0 {
				continue
			}

			got, err := Graphs(t.Context(), r.starter(t, sys), graph.SC, Options{KeepGoing: true, Jobs: 1, Schedules: 3000, Time: 3 * time.Second})
			if got.Schedules != r.want || !got.Complete || err != nil {
				fmt.Printf("%s want %d: %+v %v\n", r.name, r.want, got, err)
			}
		}
	})
}
