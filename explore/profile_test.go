package explore

import (
	"slices"
	"testing"

	"emurace/emu"
	"emurace/scenario"
)

// Each range and each object is there once, whatever the event does with it how often.
func TestSpans(t *testing.T) {
	e := scenario.Event{
		Accesses: []scenario.Access{{Addr: 16, Size: 8, Write: true}, {Addr: 8, Size: 4}, {Addr: 16, Size: 8}, {Addr: 16, Size: 4}, {Addr: 8, Size: 4}},
		Objects:  []emu.Object{{Class: emu.ObjectFutex, ID: 3}, {Class: emu.ObjectFutex, ID: 3, Write: true}},
	}
	want := []span{{0, 8, 12}, {0, 16, 20}, {0, 16, 24}, {emu.ObjectFutex, 3, 4}}
	if got := spans(&e); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := spans(&scenario.Event{}); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
