package portable_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"emurace/disasm"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scripts/portable"
)

// A place where no instruction begins is said to be none, and which are near; one where
// an instruction begins that the thread does not come to is not blamed. Every offset of
// getenv is tried, and compared with a list of its instructions.
func TestMiss(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		s := start(t, testsystem.Of(t, "bookworm", arch))
		getenv, err := s.Process().Lookup("getenv")
		testrace.Must(t, err)
		begins, size := map[uint64]bool{}, uint64(0)
		for {
			if name, _, _ := s.Process().Symbol(getenv + size); name != "getenv" {
				break
			}
			code, ok := s.Process().Read(getenv+size, 16)
			if !ok {
				t.Fatal("getenv is not mapped")
			}
			in, err := disasm.Decode(arch, code, getenv+size, nil)
			testrace.Must(t, err)
			begins[size] = true
			size += uint64(in.Len)
		}
		for off := uint64(1); off < size+4; off++ {
			testrace.Must(t, s.Restart())
			st, err := portable.Step(s, portable.Run{Thread: "main", Until: at(t, fmt.Sprintf("getenv+%#x", off)), Hit: 1 << 20})
			var unmet *portable.UnmetError
			if !errors.As(err, &unmet) {
				t.Fatalf("getenv+%#x: %v", off, err)
			}
			if st.Seen > 0 && !begins[off] {
				t.Errorf("getenv+%#x: main has come there, where nothing begins", off)
			}
			want := ""
			switch _, inside, _ := s.Process().Symbol(getenv + off); {
			case inside != off:
				want = "is behind the end of getenv"
			case !begins[off]:
				want = fmt.Sprintf("no instruction begins at \"getenv+%#x\" here, the nearest are at +0x", off)
			}
			blamed := strings.Contains(err.Error(), "no instruction") || strings.Contains(err.Error(), "behind the end")
			if blamed != (want != "") || !strings.Contains(err.Error(), want) {
				t.Errorf("getenv+%#x: %v, want %q", off, err, want)
			}
			if !strings.Contains(unmet.Hint(), "--as-script") {
				t.Errorf("no hint: %q", unmet.Hint())
			}
		}
	})
}

// Only places are of one build.
func TestNoHint(t *testing.T) {
	s := sessionOf(t, "bookworm", loader.ARM64)
	testrace.Must(t, s.Restart())
	_, err := portable.Step(s, portable.Run{Thread: "main", Until: returns("abort")})
	var unmet *portable.UnmetError
	if !errors.As(err, &unmet) || unmet.Hint() != "" {
		t.Errorf("%v: %v", err, unmet)
	}
}

// Where a thread stands already it does not come to, and that is said.
func TestStoodThere(t *testing.T) {
	s := sessionOf(t, "bookworm", loader.ARM64)
	for _, until := range []portable.Until{calls("getenv"), at(t, "getenv")} {
		testrace.Must(t, s.Restart())
		_, err := portable.Step(s, portable.Run{Thread: "main", Until: until})
		if err == nil || !strings.HasSuffix(err.Error(), "0 of 1 times; it stood there already when the run began, which does not count") {
			t.Errorf("%v: %v", until, err)
		}
	}
}

// How the runs of a schedule stopped is told in words, for each way to stop.
func TestStoppedText(t *testing.T) {
	s := sessionOf(t, "bookworm", loader.ARM64)
	testrace.Must(t, s.Restart())
	r, err := portable.Play(s, []portable.Run{
		{Thread: "main", N: 1}, {Thread: "worker", N: 3}, {Thread: "worker"}, {Thread: "main"},
	})
	testrace.Must(t, err)
	var got []string
	for i, thread := range []string{"main", "worker", "worker", "main"} {
		got = append(got, r.Stops[i].Text(thread))
	}
	for i, want := range []string{`^main stops at getenv\+0x4, after 1 instructions$`, `^worker stops at setenv\+0x[0-9a-f]+, after 3 instructions$`, `^worker has made all its calls, after \d+ instructions$`, `^main has made all its calls, after \d+ instructions$`} {
		if !regexp.MustCompile(want).MatchString(got[i]) {
			t.Errorf("%d: %s, want %s", i, got[i], want)
		}
	}
	testrace.Must(t, s.Restart())
	r, err = portable.Play(s, []portable.Run{{Thread: "main", Until: reads(loc(t, "environ"))}, {Thread: "worker", Until: returns("setenv")}, {Thread: "main"}})
	testrace.Must(t, err)
	if text := r.Stops[2].Text("main"); !strings.HasPrefix(text, "main ends the process, after ") || r.Stops[2].Where != "" {
		t.Errorf("%q, at %q", text, r.Stops[2].Where)
	}
}
