package gdb

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"emurace/loader"
)

// script is a connection whose client sends bytes and leaves.
type script struct {
	io.Reader
	out bytes.Buffer
}

func (s *script) Write(b []byte) (int, error) { return s.out.Write(b) }

func (s *script) Close() error { return nil }

// checkOutput: what a server sends are acknowledgements and well-framed packets.
func checkOutput(t *testing.T, out string) {
	t.Helper()
	for out != "" {
		if out[0] == '+' || out[0] == '-' {
			out = out[1:]
			continue
		}
		end := strings.IndexByte(out, '#')
		if out[0] != '$' || end < 0 || len(out) < end+3 {
			t.Fatalf("not a packet: %.100q", out)
		}
		payload, sum := out[1:end], byte(0)
		for i := range len(payload) {
			sum += payload[i]
		}
		if strings.ContainsAny(payload, "$*") || len(payload) > packetSize || out[end+1:end+3] != fmt.Sprintf("%02x", sum) {
			t.Fatalf("a badly framed packet: %.100q", out)
		}
		out = out[end+3:]
	}
}

// mayMove tells whether a packet is one of those that go to another moment.
func mayMove(p string) bool {
	for _, prefix := range []string{"c", "C", "s", "S", "bc", "bs", "vCont;"} {
		if strings.HasPrefix(p, prefix) {
			return true
		}
	}
	hex, ok := strings.CutPrefix(p, "qRcmd,")
	return ok && strings.HasPrefix(strings.TrimSpace(decoded(hex)), "seek")
}

func decoded(hex string) string {
	var b []byte
	_, _ = fmt.Sscanf(hex, "%x", &b) // what is no text is no command
	return string(b)
}

// FuzzServe: whatever a client sends, what it gets back is well-framed, the server
// comes to an end and serves on, and only packets that are for it move the run.
func FuzzServe(f *testing.F) {
	packets := []string{
		"qSupported:swbreak+;xmlRegisters=i386", "QStartNoAckMode", "?", "g", "p20", "m7ffff7e3dbe4,40", "G00", "P0=0", "M0,1:00", "X0,1:}\x03",
		"Hg1", "Hc-1", "T2", "qfThreadInfo", "qC", "vCont?", "vCont;s:1;c", "vCont;c", "bc", "bs", "s", "c", "Z0,7ffff7e3dbe4,4", "z0,7ffff7e3dbe4,4",
		"Z2,5555556565d0,8", "Z4,0,ffff", "qXfer:features:read:target.xml:0,ffb", "qXfer:threads:read::0,1000", "qXfer:libraries-svr4:read::3,10",
		"vFile:open:2f656d75726163652d70726f6772616d,0,0", "vFile:pread:3,100,0", "vFile:fstat:3", "vFile:close:3", "vFile:readlink:2f6c6962",
		fmt.Sprintf("qRcmd,%x", "seek 5"), fmt.Sprintf("qRcmd,%x", "when"), fmt.Sprintf("qRcmd,%x", "env"), fmt.Sprintf("qRcmd,%x", "heap 0x5555556565d0"), "D", "k",
	}
	var all bytes.Buffer
	for _, p := range packets {
		f.Add(frame([]byte(p)))
		all.Write(frame([]byte(p)))
	}
	f.Add(all.Bytes())
	f.Add([]byte("$g#67\x03$bc#c5\x03-$g#00+$m"))
	f.Add([]byte("$" + strings.Repeat("Z0,1,1", 4000) + "#00"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		s := article(t, loader.ARM64)
		conn := &script{Reader: bytes.NewReader(sent)}
		_ = s.Serve(context.Background(), conn) // a packet that was cut off is an error, and the client's
		checkOutput(t, conn.out.String())
		moved := false
		for _, in := range inputs(string(sent)) {
			moved = moved || in.kind == inputPacket && mayMove(string(in.payload))
		}
		if at := s.tl.At(); !moved && at != s.tl.Len() {
			t.Fatalf("the run is at moment %d of %d", at, s.tl.Len())
		}
		conn = &script{Reader: strings.NewReader("$qC#b4$k#6b")}
		must(t, s.Serve(context.Background(), conn))
		if got := conn.out.String(); got != "+$QC1#c5+" {
			t.Fatalf("the next client is answered %q", got)
		}
	})
}
