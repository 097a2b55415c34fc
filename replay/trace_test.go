package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"emurace/loader"
	"emurace/scenario"
)

// sample is a trace with every field set.
func sample() *Trace {
	code := 3
	return &Trace{
		Format: FormatVersion, Scenario: "getenv-setenv", Settings: []string{"entries=66", "name=<&\u2028>"}, Arch: "arm64",
		Libc:     Libc{Version: "2.36", BuildID: "00ff", SHA256: "aa", Source: "./a folder"},
		Modules:  []File{{Path: "/lib/libc.so.6", BuildID: "00ff", SHA256: "aa"}, {Path: "/lib/ld.so", SHA256: "bb"}},
		Seed:     1<<64 - 1,
		Schedule: []string{"main 6", "worker 6527", "main"},
		Outcome:  Outcome{Kind: scenario.Exit, Thread: "main", PC: "0x1", Access: "read", Address: "0x2", Signal: 6, Code: &code, Detail: "d"},
		Steps:    6890, Digest: "sha256:00",
	}
}

func encode(t testing.TB, trace *Trace) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, trace.Encode(&b))
	return b.Bytes()
}

// TestRoundTrip: what is written is read as the same trace, and is one line a
// field, for a person to read.
func TestRoundTrip(t *testing.T) {
	traces := []*Trace{sample()}
	for _, arch := range arches() {
		traces = append(traces, findRace(t, "bookworm", arch).record(t))
	}
	for _, want := range traces {
		data := encode(t, want)
		got, err := Decode(bytes.NewReader(data))
		must(t, err)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		for _, line := range []string{"\n  \"scenario\": \"getenv-setenv\",\n", "\n    \"" + want.Schedule[0] + "\",\n"} {
			if !strings.Contains(string(data), line) {
				t.Errorf("no line %q in\n%s", line, data)
			}
		}
	}
	if s := string(encode(t, sample())); !strings.Contains(s, `"name=<&\u2028>"`) {
		t.Errorf("a value is not written as a person would read it: %s", s)
	}
}

// TestRoundTripProperty: the same for traces that no run has made.
func TestRoundTripProperty(t *testing.T) {
	text := rapid.StringN(1, 20, 80)
	texts := rapid.SliceOfN(text, 1, 5)
	rapid.Check(t, func(rt *rapid.T) {
		want := &Trace{
			Format: FormatVersion, Scenario: text.Draw(rt, "scenario"), Settings: texts.Draw(rt, "settings"), Arch: text.Draw(rt, "arch"),
			Libc:     Libc{SHA256: text.Draw(rt, "sha256"), Source: rapid.String().Draw(rt, "source"), Version: rapid.String().Draw(rt, "version")},
			Modules:  []File{{Path: text.Draw(rt, "path"), SHA256: text.Draw(rt, "module")}},
			Seed:     rapid.Uint64().Draw(rt, "seed"),
			Schedule: texts.Draw(rt, "schedule"),
			Outcome:  Outcome{Kind: scenario.Kind(text.Draw(rt, "kind")), Signal: rapid.Int().Draw(rt, "signal")},
			Steps:    rapid.Uint64().Draw(rt, "steps"), Digest: text.Draw(rt, "digest"),
		}
		var b bytes.Buffer
		if err := want.Encode(&b); err != nil {
			rt.Fatal(err)
		}
		got, err := Decode(&b)
		if err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			rt.Fatal(d)
		}
	})
}

// with is the sample's text with one field set to a JSON value, or without it
// when the value is empty. Inner fields are written libc.sha256.
func with(t testing.TB, field, value string) string {
	t.Helper()
	set := func(object []byte, name string, value json.RawMessage) []byte {
		var fields map[string]json.RawMessage
		must(t, json.Unmarshal(object, &fields))
		delete(fields, name)
		if value != nil {
			fields[name] = value
		}
		b, err := json.Marshal(fields)
		must(t, err)
		return b
	}
	whole, raw := encode(t, sample()), json.RawMessage(nil)
	if value != "" {
		raw = json.RawMessage(value)
	}
	outer, name, nested := strings.Cut(field, ".")
	if !nested {
		return string(set(whole, field, raw))
	}
	var fields map[string]json.RawMessage
	must(t, json.Unmarshal(whole, &fields))
	return string(set(whole, outer, set(fields[outer], name, raw)))
}

func TestDecodeErrors(t *testing.T) {
	whole := string(encode(t, sample()))
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "not a readable trace: it ends too early, after 0 bytes"},
		{"blanks", " \n", "not a readable trace: it ends too early, after 2 bytes"},
		{"an ELF file", "\x7fELF\x02\x01\x01", "not a readable trace: invalid character '\\x7f' looking for beginning of value"},
		{"text", "hello\n", "not a readable trace: invalid character 'h' looking for beginning of value"},
		{"a wrong last byte", `{"emurace_trace"x`, "not a readable trace: invalid character 'x' after object key"},
		{"a list", "[1]", "not a readable trace: a JSON array, not an object"},
		{"a number", "1", "not a readable trace: a JSON number, not an object"},
		{"null", "null", "not a readable trace: no field emurace_trace"},
		{"another object", `{"a": 1}`, "not a readable trace: no field emurace_trace"},
		{"no version", with(t, "emurace_trace", "null"), "not a readable trace: no field emurace_trace"},
		{"newer version", with(t, "emurace_trace", "4"), "trace of another format version: 4, this emurace reads 2 and 3"},
		{"newer version with other fields", `{"emurace_trace": 9, "scenario": 7, "new": {}}`, "trace of another format version: 9, this emurace reads 2 and 3"},
		{"version 0", with(t, "emurace_trace", "0"), "trace of another format version: 0, this emurace reads 2 and 3"},
		{"a program that is not there", with(t, "emurace_trace", "3"), "not a readable trace: field program is missing"},
		{"version as text", with(t, "emurace_trace", `"1"`), "not a readable trace: field emurace_trace is a JSON string, not a whole number"},
		{"unknown field", with(t, "colour", "1"), `not a readable trace: unknown field "colour"`},
		{"unknown inner field", with(t, "libc.colour", "1"), `not a readable trace: unknown field "colour"`},
		{"text after the end", whole + "x", "not a readable trace: text after the end"},
		{"another object after the end", whole + whole, "not a readable trace: text after the end"},
		{"a brace after the end", whole + "}", "not a readable trace: text after the end"},
		{"schedule is no list", with(t, "schedule", `"main"`), "not a readable trace: field schedule is a JSON string, not a list"},
		{"steps negative", with(t, "steps", "-1"), "not a readable trace: field steps is a JSON number -1, not a whole number from 0 to 2^64-1"},
		{"seed with a fraction", with(t, "seed", "1.5"), "not a readable trace: field seed is a JSON number 1.5, not a whole number from 0 to 2^64-1"},
		{"seed too large", with(t, "seed", "18446744073709551616"), "not a readable trace: field seed is a JSON number 18446744073709551616, not a whole number from 0 to 2^64-1"},
		{"libc is no object", with(t, "libc", "7"), "not a readable trace: field libc is a JSON number, not an object"},
		{"kind is no text", with(t, "outcome.kind", "7"), "not a readable trace: field outcome.kind is a JSON number, not a string"},
		{"no scenario", with(t, "scenario", ""), "not a readable trace: field scenario is missing"},
		{"empty scenario", with(t, "scenario", `""`), "not a readable trace: field scenario is missing"},
		{"no arch", with(t, "arch", ""), "not a readable trace: field arch is missing"},
		{"no libc", with(t, "libc", ""), "not a readable trace: field libc.sha256 is missing"},
		{"no hash", with(t, "libc.sha256", ""), "not a readable trace: field libc.sha256 is missing"},
		{"no schedule", with(t, "schedule", ""), "not a readable trace: field schedule is missing"},
		{"empty schedule", with(t, "schedule", "[]"), "not a readable trace: field schedule is missing"},
		{"no outcome", with(t, "outcome", ""), "not a readable trace: field outcome.kind is missing"},
		{"no digest", with(t, "digest", ""), "not a readable trace: field digest is missing"},
	} {
		trace, err := Decode(strings.NewReader(c.text))
		if err == nil || err.Error() != c.want || trace != nil {
			t.Errorf("%s: %v, %v\n  want %s", c.name, trace, err, c.want)
			continue
		}
		if errors.Is(err, ErrVersion) == errors.Is(err, ErrFormat) {
			t.Errorf("%s: the error is of both kinds or of none", c.name)
		}
	}
}

// TestTruncated cuts a real trace at every byte.
func TestTruncated(t *testing.T) {
	data := encode(t, findRace(t, "bookworm", loader.ARM64).record(t))
	whole := bytes.TrimRight(data, "\n")
	for n := range whole {
		_, err := Decode(bytes.NewReader(whole[:n]))
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "it ends too early") {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
	}
	if _, err := Decode(bytes.NewReader(whole)); err != nil {
		t.Errorf("without its last line end: %v", err)
	}
}

// blanks is an endless file.
type blanks struct{ read int }

func (b *blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	b.read += len(p)
	return len(p), nil
}

// broken fails in the middle.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	if n, err := b.Reader.Read(p); err == nil {
		return n, nil
	}
	return 0, errors.New("the disk is gone")
}

func TestDecodeReader(t *testing.T) {
	endless := &blanks{}
	_, err := Decode(endless)
	if want := "not a readable trace: larger than 67,108,864 bytes"; err == nil || err.Error() != want {
		t.Errorf("an endless file: %v, want %s", err, want)
	}
	if endless.read > 2*maxTrace {
		t.Errorf("%d bytes of an endless file were read", endless.read)
	}
	_, err = Decode(broken{bytes.NewReader(encode(t, sample()))})
	if err == nil || err.Error() != "the disk is gone" {
		t.Errorf("a read error: %v", err)
	}
}

// FuzzDecode: whatever can be read is written and read again as the same trace,
// and what is written does not change any more.
func FuzzDecode(f *testing.F) {
	f.Add(encode(f, sample()))
	f.Add([]byte(`{"emurace_trace":2,"SCENARIO":"a","arch":"\ud800","libc":{"sha256":"x"},"schedule":[null],"outcome":{"kind":"ok"},"digest":"d"}`))
	f.Add([]byte(`{"emurace_trace":2,"emurace_trace":2}`))
	f.Add([]byte(`{"emurace_trace":3}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		trace, err := Decode(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrVersion) {
				t.Fatalf("an error of no kind: %v", err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("an error of several lines: %q", err)
			}
			return
		}
		first := encode(t, trace)
		again, err := Decode(bytes.NewReader(first))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, first)
		}
		if d := cmp.Diff(trace, again); d != "" {
			t.Fatal(d)
		}
		if second := encode(t, again); !bytes.Equal(first, second) {
			t.Fatalf("written again it is\n%s\nbefore it was\n%s", second, first)
		}
	})
}
