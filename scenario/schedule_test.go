package scenario

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// maxSlice is the longest slice that can be written down.
const maxSlice = 1<<48 - 1

var racers = []string{"main", "worker", "a_third-1"}

func TestScheduleAdd(t *testing.T) {
	s := Schedule(nil).Add(0, 3).Add(0, 4).Add(1, 5).Add(0, 1).Add(0, 1)
	if want := (Schedule{{Thread: 0, N: 7}, {Thread: 1, N: 5}, {Thread: 0, N: 2}}); !slices.Equal(s, want) {
		t.Errorf("%v, want %v", s, want)
	}
}

// The two steps of an instruction are one where nothing comes between them.
func TestScheduleAddEvent(t *testing.T) {
	half := func(thread int, n uint64) Event { return Event{Thread: thread, Ran: n, Half: true} }
	whole := func(thread int, n uint64) Event { return Event{Thread: thread, Ran: n} }
	for _, c := range []struct {
		events []Event
		want   Schedule
	}{
		{[]Event{half(0, 3), whole(0, 1)}, Schedule{{Thread: 0, N: 3}}},
		{[]Event{half(0, 3), whole(0, 1), whole(0, 4)}, Schedule{{Thread: 0, N: 7}}},
		{[]Event{half(0, 3), whole(1, 2), whole(0, 1), half(0, 2)}, Schedule{{Thread: 0, N: 3, Half: true}, {Thread: 1, N: 2}, {Thread: 0, N: 3, Half: true}}},
		{[]Event{half(0, 1), whole(0, 1), half(0, 1), whole(0, 1)}, Schedule{{Thread: 0, N: 2}}},
		{[]Event{half(0, 3), whole(0, 0)}, Schedule{{Thread: 0, N: 3, Half: true}}},
	} {
		var s Schedule
		for _, e := range c.events {
			s = s.AddEvent(e)
		}
		if !slices.Equal(s, c.want) {
			t.Errorf("%+v: %v, want %v", c.events, s, c.want)
		}
	}
	if s := (Schedule{{Thread: 0, N: 3, Half: true}}).ToEnd(); !slices.Equal(s, Schedule{{}}) {
		t.Errorf("to the end: %v", s)
	}
}

// Adding slices loses no instruction, keeps their order, and leaves no two
// neighbours of one thread.
func TestScheduleAddProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slicesIn := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Slice {
			return Slice{Thread: rapid.IntRange(0, 2).Draw(t, "thread"), N: rapid.Uint64Range(1, 5).Draw(t, "n")}
		})).Draw(t, "slices")
		var s Schedule
		for _, sl := range slicesIn {
			s = s.Add(sl.Thread, sl.N)
		}
		if !slices.Equal(threadsOf(s), threadsOf(slicesIn)) {
			t.Errorf("%v became %v", slicesIn, s)
		}
		if want := max(len(s)-1, 0); s.Switches() != want {
			t.Errorf("%v: %d switches, want %d", s, s.Switches(), want)
		}
		if Schedule(slicesIn).Switches() != s.Switches() {
			t.Errorf("%v has %d switches, %v %d", slicesIn, Schedule(slicesIn).Switches(), s, s.Switches())
		}
	})
}

// threadsOf is the thread of each single instruction.
func threadsOf(s []Slice) []int {
	var out []int
	for _, sl := range s {
		for range sl.N {
			out = append(out, sl.Thread)
		}
	}
	return out
}

func TestScheduleTexts(t *testing.T) {
	s := Schedule{{Thread: 0, N: 412}, {Thread: 1, N: 0}, {Thread: 0, N: maxSlice}, {Thread: 2, N: 1}, {Thread: 1, N: 7, Half: true}}
	got := s.Texts(racers)
	want := []string{"main 412", "worker", "main 281474976710655", "a_third-1 1", "worker 7 half"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestScheduleRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Slice {
			sl := Slice{Thread: rapid.IntRange(0, len(racers)-1).Draw(t, "thread"), N: rapid.Uint64Range(0, maxSlice).Draw(t, "n")}
			sl.Half = sl.N > 0 && rapid.Bool().Draw(t, "half")
			return sl
		})).Draw(t, "schedule")
		got, err := ParseSchedule(Schedule(s).Texts(racers), racers)
		if err != nil || !slices.Equal(got, s) {
			t.Errorf("%v came back as %v, %v", s, got, err)
		}
	})
}

func TestParseScheduleErrors(t *testing.T) {
	for line, want := range map[string]string{
		"":                                      `slice 2: "": no thread of this name, only main, worker, a_third-1`,
		"other 5":                               `slice 2: "other 5": no thread of this name, only main, worker, a_third-1`,
		"Main":                                  `slice 2: "Main": no thread`,
		"main\t5":                               `slice 2: "main\t5": no thread`,
		"main 0":                                `slice 2: "main 0": not a number of instructions`,
		"main -1":                               `slice 2: "main -1": not a number of instructions`,
		"main 1.5":                              `slice 2: "main 1.5": not a number of instructions`,
		"main 0x10":                             `slice 2: "main 0x10": not a number of instructions`,
		"main 1_000":                            `slice 2: "main 1_000": not a number of instructions`,
		"main 281474976710656":                  `slice 2: "main 281474976710656": not a number of instructions`,
		"main 99999999999999999999":             `slice 2: "main 99999999999999999999": not a number of instructions`,
		"main ":                                 `slice 2: "main ": not a number of instructions`,
		"main 07":                               `slice 2: "main 07": not a number of instructions`,
		"main  7":                               `slice 2: "main  7": not a number`,
		"main half":                             `slice 2: "main half": not a number`,
		"main 0 half":                           `slice 2: "main 0 half": not a number`,
		"main 7 Half":                           `slice 2: "main 7 Half": not a number`,
		"main 7 half half":                      `slice 2: "main 7 half half": not a number`,
		"main 7half":                            `slice 2: "main 7half": not a number`,
		"main 7 sees ":                          `slice 2: "": not an address`,
		"main 7 sees 0x10=00":                   `slice 2: "": not the number of an instruction`,
		"main 7 sees 0x10=0@1":                  `slice 2: "0": not the bytes at 0x10`,
		"main 7 sees 10=00@1":                   `slice 2: " sees 10=00@1": not what an instruction sees`,
		"main 7 sees 0x10=@1":                   `slice 2: it sees or leaves 0 bytes at 0x10`,
		"main 7 leaves 0x10=0G":                 `slice 2: "0G": not the bytes at 0x10`,
		"main 7 leaves 0xffffffffffffffff=0011": `slice 2: it sees or leaves 2 bytes at 0xffffffffffffffff`,
		"main 0 sees 0x10=00@1":                 `slice 2: "main 0 sees 0x10=00@1": not a number`,
	} {
		s, err := ParseSchedule([]string{"main 3", line}, racers)
		if err == nil || !strings.HasPrefix(err.Error(), want) || s != nil {
			t.Errorf("%q: %v, %v; want %s", line, s, err, want)
		}
	}
}

// What can be read is written back the same, and what cannot is refused in one
// line.
func FuzzParseSchedule(f *testing.F) {
	f.Add("main 412\nworker 1203\nmain")
	f.Add("worker\na_third-1 1\nmain 281474976710655")
	f.Add("main 00")
	f.Add("main 7 half\nworker 1 half")
	f.Add("main \n 5")
	f.Add("main 7 half sees 0x10=00ff@3,0x20=01@0 leaves 0x30=02")
	f.Add("main 7 leaves 0x30=02,0x31=03")
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		s, err := ParseSchedule(lines, racers)
		if err != nil {
			if s != nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, %v", s, err)
			}
			return
		}
		if got := s.Texts(racers); !slices.Equal(got, lines) {
			t.Errorf("%q is written back as %q", lines, got)
		}
	})
}
