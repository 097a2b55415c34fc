package target

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawName draws a name as symbol tables and folders have them, also of C++ and with a + in it.
func drawName(t *rapid.T, what string) string {
	return rapid.SampledFrom([]string{"getenv", "__GI_getenv", "operator+", "_ZNSt6vectorIiE9push_backEOi", "a.constprop.0", "f@@V", "libstdc++.so.6", "in", "libc.so.6", "libc-2.31.so", "é"}).Draw(t, what)
}

func drawFrame(t *rapid.T) Frame {
	var f Frame
	offset := func(what string) *uint64 {
		if rapid.Bool().Draw(t, "no "+what) {
			return nil
		}
		return at(rapid.Uint64().Draw(t, what))
	}
	if rapid.Bool().Draw(t, "function") {
		f.Function, f.Offset = drawName(t, "name"), offset("offset")
	}
	if rapid.Bool().Draw(t, "module") {
		f.Module, f.ModuleOffset = drawName(t, "module"), offset("module offset")
		f.BuildID = rapid.SampledFrom([]string{"", "aa", "bb"}).Draw(t, "build")
	}
	return f
}

func drawEnd(t *rapid.T) End {
	frames := func() []Frame {
		return rapid.SliceOfN(rapid.Custom(drawFrame), 0, 4).Draw(t, "frames")
	}
	e := End{
		Kind: rapid.SampledFrom(Kinds()).Draw(t, "kind"), Arch: rapid.SampledFrom([]string{"", "arm64", "amd64"}).Draw(t, "arch"),
		Value: rapid.SampledFrom(append(Values(), "")).Draw(t, "value"), Message: rapid.SampledFrom([]string{"", "at 3", "at 4", "\x00é\n\"", "gone"}).Draw(t, "message"),
		Access: rapid.SampledFrom([]string{"", "read", "execute"}).Draw(t, "access"), Thread: rapid.SampledFrom([]string{"", "main"}).Draw(t, "thread"),
		Backtrace: frames(), Signal: rapid.IntRange(0, 2).Draw(t, "signal"),
	}
	if rapid.Bool().Draw(t, "coded") {
		e.Code = status(rapid.IntRange(0, 2).Draw(t, "code"))
	}
	for range rapid.IntRange(0, 3).Draw(t, "waits") {
		e.Waits = append(e.Waits, Wait{Thread: rapid.SampledFrom([]string{"", "a"}).Draw(t, "waiter"), What: rapid.SampledFrom([]string{"", "mutex", "lock"}).Draw(t, "what"), Backtrace: frames()})
	}
	if len(e.Backtrace) == 0 {
		e.Backtrace = nil
	}
	for i := range e.Waits {
		if len(e.Waits[i].Backtrace) == 0 {
			e.Waits[i].Backtrace = nil
		}
	}
	return e
}

// TestGradesOfItself: an end is as near to itself as any can be; less may be known of the one that is
// wanted without that keeping it from a grade below; and who compares an end with more that is wanted
// does not come nearer.
func TestGradesOfItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEnd(t)
		if e.Check() != nil {
			t.Skip("it cannot be looked for")
		}
		p := Process{Arch: rapid.SampledFrom([]string{"", e.Arch}).Draw(t, "process")}
		best, why := Best(&e, p)
		m := Compare(&e, &e, p)
		if m.Grade < best {
			t.Fatalf("%v comes to %v of itself: %q; the best is %v: %s", e, m.Grade, m.Differs, best, why)
		}
		if best == Instruction && len(m.Differs) > 0 {
			t.Fatalf("%v differs from itself: %q", e, m.Differs)
		}
		if best < Instruction == (why == "") {
			t.Fatalf("%v: %v, %q", e, best, why)
		}
	})
}

// TestGradesInOrder: what is another in one way more does not come nearer, whatever it is.
func TestGradesInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, got := drawEnd(t), drawEnd(t)
		if want.Check() != nil {
			t.Skip("it cannot be looked for")
		}
		if rapid.Bool().Draw(t, "alike") { // else hardly any two are
			got.Kind, got.Backtrace, got.Waits, got.Access, got.Signal, got.Code = want.Kind, want.Backtrace, want.Waits, want.Access, want.Signal, want.Code
		}
		p := Process{Arch: got.Arch, Modules: []Module{{"libc.so.6", "aa"}, {"libstdc++.so.6", "bb"}, {"in", "aa"}}}
		g := Compare(&want, &got, p).Grade
		for name, change := range map[string]func(*End){
			"no value":       func(e *End) { e.Value = "" },
			"no message":     func(e *End) { e.Message = "" },
			"another kind":   func(e *End) { e.Kind = "none" },
			"another place":  func(e *End) { e.Backtrace, e.Waits = nil, nil },
			"another build":  func(e *End) { e.Backtrace, e.Waits = rebuilt(e.Backtrace), nil },
			"another caller": func(e *End) { e.Backtrace = e.Backtrace[:min(len(e.Backtrace), 1)] },
		} {
			less := got
			change(&less)
			// What is not said differs from nothing, so only a message that was another can be one less.
			if name == "no message" && want.Message != got.Message || name == "another caller" && got.failing() > 0 {
				continue
			}
			if h := Compare(&want, &less, p).Grade; h > g {
				t.Fatalf("%s: %v comes to %v of %v, and %v to %v", name, got, g, want, less, h)
			}
		}
	})
}

// rebuilt is a backtrace in other builds.
func rebuilt(frames []Frame) []Frame {
	var list []Frame
	for _, f := range frames {
		if f.BuildID != "" {
			f.BuildID = "cc"
		}
		list = append(list, f)
	}
	return list
}

// TestForms: an end is read as it was written.
func TestForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEnd(t)
		if e.Check() != nil {
			t.Skip("it cannot be looked for")
		}
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{"%s", `{"event": "x", "end": %s, "findings": []}`, `{"findings": [{"kind": "data-race"}, {"end": %s}]}`,
			`{"event": "diagnosis", "kind": 1, "signal": {"number": 11}, "end": %s}`} {
			got, err := Read(strings.NewReader(fmt.Sprintf(form, data)))
			if err != nil || !reflect.DeepEqual(*got, e) {
				t.Fatalf("%s\nis read as %+v, %v", data, got, err)
			}
		}
		for _, f := range e.Backtrace {
			if got, err := ParseFrame(f.String()); err != nil || !reflect.DeepEqual(got, f) && f.Module != "" {
				t.Fatalf("%s is read as %+v, %v", f, got, err)
			}
		}
	})
}

// TestWrong: what cannot be looked for is refused, and says why.
func TestWrong(t *testing.T) {
	for text, want := range map[string]string{
		``:                 "EOF",
		`{}`:               ErrNone.Error(),
		`[]`:               "cannot unmarshal",
		`{"kind": "ok"}`:   `kind: "ok": not segv, illegal`,
		`{"kind": "segv"}`: "backtrace: a segv is looked for by where it is",
		`{"kind": "segv", "backtrace": [{"module": "libc.so.6"}]}`:                                                 "has no function",
		`{"kind": "segv", "backtrace": [{"function": "f"}], "value": "big"}`:                                       `value: "big": not null, malloc-size`,
		`{"kind": "segv", "backtrace": [{"function": "f"}], "arch": "vax"}`:                                        `arch: "vax"`,
		`{"kind": "segv", "backtrace": [{"function": "f"}], "access": "look"}`:                                     `access: "look"`,
		`{"kind": "segv", "backtrace": [{"function": "f", "build_id": "xyz"}]}`:                                    `frame 0: build_id: "xyz": not hexadecimal`,
		`{"kind": "segv", "backtrace": [{"function": "a in b"}]}`:                                                  "not names of a symbol and of a file",
		`{"kind": "segv", "backtrace": [{"function": "a\nb"}]}`:                                                    "not text of one line",
		`{"kind": "check", "message": "` + strings.Repeat("x", maxMessage+1) + `"}`:                                "message: 65537 bytes",
		`{"kind": "deadlock", "waits": [` + strings.Repeat(`{},`, maxWaits) + `{}]}`:                               "waits: 257, at most 256",
		`{"kind": "deadlock", "waits": [{"backtrace": [{"module": "a b"}]}]}`:                                      "waits[0]: frame 0",
		`{"kind": "segv", "backtrace": [` + strings.Repeat(`{"function": "f"},`, maxFrames) + `{"function": ""}]}`: "257 frames, at most 256",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
	}
	if _, err := Read(strings.NewReader(`{"schema": 1, "findings": []}`)); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"": "not FUNCTION", "+0x4": "an offset without a name", "f+0xg": "no hexadecimal number", "f (build )": "not ID", "f (build aa) x": "not ID", "f in a b": "not names",
	} {
		if f, err := ParseFrame(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %q", text, f, err, want)
		}
	}
}

// TestGradeText: a grade is read as it was written, and no other text is one.
func TestGradeText(t *testing.T) {
	for g := None; g <= Instruction; g++ {
		text, err := g.MarshalText()
		var got Grade
		if err != nil || got.UnmarshalText(text) != nil || got != g {
			t.Errorf("%v is read as %v", g, got)
		}
	}
	var g Grade
	if err := g.UnmarshalText([]byte("some")); err == nil {
		t.Error("some is a grade")
	}
}

// TestPrintable: eight characters are text, and nothing else is.
func TestPrintable(t *testing.T) {
	for value, want := range map[uint64]bool{0x545245435f4c5353: true, 0x2020202020202020: true, 0x7e7e7e7e7e7e7e7e: true, 0: false, 0x220: false, 0x7f20202020202020: false, 0x545245435f4c5309: false} {
		if Printable(value) != want {
			t.Errorf("%#x: %v", value, !want)
		}
	}
}

// FuzzRead: whatever a file holds, what is taken from it can be looked for, written and read again,
// and is near to itself.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"kind":"segv","arch":"arm64","backtrace":[{"function":"getenv","offset":148,"module":"libc.so.6","build_id":"6f26","module_offset":252900}],"value":"malloc-size"}`))
	f.Add([]byte(`{"end":{"kind":"deadlock","waits":[{"thread":"a","what":"mutex","backtrace":[{"function":"pthread_mutex_lock"}]},{}]}}`))
	f.Add([]byte(`{"findings":[{"end":{"kind":"abort","message":"free(): invalid pointer"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		same, err := Read(bytes.NewReader(again))
		if err != nil || same.String() != e.String() || same.Declaration() != e.Declaration() {
			t.Fatalf("%s is read as %v, %v", again, same, err)
		}
		best, _ := Best(e, Process{})
		if m := Compare(e, same, Process{}); m.Grade < best {
			t.Fatalf("%s comes to %v of itself, not to %v: %q", again, m.Grade, best, m.Differs)
		}
	})
}

// FuzzParseFrame: what is read is read again as it is written.
func FuzzParseFrame(f *testing.F) {
	f.Add("getenv+0x94 in libc.so.6+0x3dbe4 (build 6f26)")
	f.Add("libstdc++.so.6 in in+0x0")
	f.Fuzz(func(t *testing.T, text string) {
		frame, err := ParseFrame(text)
		if err != nil {
			return
		}
		if again, err := ParseFrame(frame.String()); err != nil || !reflect.DeepEqual(again, frame) {
			t.Fatalf("%q is %+v, written as %q, which is %+v, %v", text, frame, frame, again, err)
		}
	})
}
