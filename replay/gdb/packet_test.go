package gdb

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// inputs takes everything from a stream.
func inputs(text string) []input {
	r := newReader(strings.NewReader(text), 0)
	var list []input
	for {
		in := r.next()
		list = append(list, in)
		if in.kind == inputEnd {
			return list
		}
	}
}

func TestReader(t *testing.T) {
	long := strings.Repeat("a", packetSize)
	for _, c := range []struct{ text, want string }{
		{"", "end"},
		{"$g#67", "packet g, end"},
		{"$G#47$#00", "packet G, packet , end"},
		{"+$g#67+", "packet g, end"},
		{"noise$g#67noise\n", "packet g, end"},
		{"\x03$c#63\x03", "interrupt, packet c, interrupt, end"},
		{"-$g#67", "nak, packet g, end"},
		{"$g#68$g#67", "broken, packet g, end"},
		{"$g#zz", "broken, end"},
		{"$g#+6$g#67", "broken, packet g, end"},
		{"$m10,4$g#67", "packet g, end"},
		{"$X}\x03}]}\x0a#39", "packet X#}*, end"},
		{"$\x03\x00#03", "packet \x03\x00, end"},
		{"$g", "cut off"},
		{"$g#", "cut off"},
		{"$g#6", "cut off"},
		{fmt.Sprintf("$%s#%02x", long, byte(packetSize/256*256*'a'%256)), "packet " + long + ", end"},
		{fmt.Sprintf("$%sb#%02x$g#67", long, 'b'), "too long, packet g, end"},
		{fmt.Sprintf("$%sb#%02x$g#67", long, 'c'), "broken, packet g, end"},
		{fmt.Sprintf("$%sb$g#67", long), "packet g, end"},
	} {
		var got []string
		for _, in := range inputs(c.text) {
			word := map[inputKind]string{inputPacket: "packet ", inputBroken: "broken", inputTooLong: "too long", inputNak: "nak", inputInterrupt: "interrupt", inputEnd: "end"}[in.kind]
			if in.err != nil {
				word = "cut off"
			}
			got = append(got, word+string(in.payload))
		}
		if got := strings.Join(got, ", "); got != c.want {
			t.Errorf("%.60q: %.100q, want %.100q", c.text, got, c.want)
		}
	}
}

// TestFrame: what is framed is read back as it was, and holds no mark inside.
func TestFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload")
		text := frame(payload)
		if bytes.ContainsAny(text[1:len(text)-3], "$#*") {
			t.Fatalf("a mark in %q", text)
		}
		r := newReader(bytes.NewReader(text), 0)
		if in := r.next(); in.kind != inputPacket || !bytes.Equal(in.payload, payload) {
			t.Fatalf("%q becomes %v %q", payload, in.kind, in.payload)
		}
		if in := r.next(); in.kind != inputEnd || in.err != nil {
			t.Fatalf("more comes: %+v", in)
		}
	})
}

// TestFitting: as much fits as can be sent, and not a byte more would.
func TestFitting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.SampledFrom([]byte("ab$#}*")), 0, 50).Draw(t, "data")
		room := rapid.IntRange(0, 60).Draw(t, "room")
		sent := func(n int) int { return len(frame(data[:n])) - len("$#00") }
		n := fitting(data, room)
		if sent(n) > room {
			t.Fatalf("%d bytes take %d, there is room for %d", n, sent(n), room)
		}
		if n < len(data) && sent(n+1) <= room {
			t.Fatalf("%d bytes, but %d would fit", n, n+1)
		}
	})
}

// endless gives the same bytes many times over.
type endless struct {
	text []byte
	n    int
}

func (e *endless) Read(b []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	e.n--
	return copy(b, e.text), nil
}

// TestReaderKeepsLittle: a packet without an end takes no memory.
func TestReaderKeepsLittle(t *testing.T) {
	r := newReader(io.MultiReader(strings.NewReader("$"), &endless{bytes.Repeat([]byte{'a'}, packetSize), 4000}), 0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	in := r.next()
	runtime.ReadMemStats(&after)
	if in.kind != inputEnd || in.err == nil {
		t.Errorf("%+v", in)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("64 MB of junk took %d bytes", took)
	}
}

func TestParseHex(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "ff": "255", "FF": "255", "ffffffffffffffff": "18446744073709551615",
		"": "error", "-1": "error", "+1": "error", "0x1": "error", "1_0": "error", "10000000000000000": "error", "g": "error", " 1": "error",
	} {
		got := "error"
		if v, err := parseHex(text); err == nil {
			got = fmt.Sprint(v)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
