package gdb

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"
)

// packetSize is the longest packet, without its frame, that is taken and that is
// sent. gdb splits what is longer.
const packetSize = 0x4000

// patience is how long a packet may take from its first byte to its last, and a
// reply to be taken, unless a test has less of it. A client that stops in the middle would lock out the next.
const patience = 10 * time.Second

// The marks of a frame: $payload#checksum, the checksum being the sum of the
// payload's bytes as it is sent, in two hexadecimal digits. A marked byte is sent
// as an escape and the byte with one bit turned over.
const (
	frameStart = '$'
	frameEnd   = '#'
	escape     = '}'
	escapeBit  = 0x20
	repeat     = '*' // run-length encoding, which only replies may have
	ack        = '+'
	nak        = '-'
	interrupt  = 0x03
)

// inputKind says what a client has sent.
type inputKind int

const (
	inputPacket inputKind = iota
	inputBroken           // a packet with a wrong checksum
	inputTooLong
	inputNak
	inputInterrupt
	inputEnd // nothing more will come
)

type input struct {
	kind    inputKind
	payload []byte
	err     error // of inputEnd; nil when the client has just left
}

// deadliner is what a network connection can do and a pipe cannot.
type deadliner interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// reader takes a client's bytes apart.
type reader struct {
	in       *bufio.Reader
	deadline deadliner // nil for none
	patience time.Duration
}

func newReader(r io.Reader, patience time.Duration) *reader {
	d, _ := r.(deadliner)
	return &reader{in: bufio.NewReaderSize(r, packetSize), deadline: d, patience: patience}
}

// next waits for what comes next. Bytes that belong to nothing are passed over.
func (r *reader) next() input {
	for {
		b, err := r.in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return input{kind: inputEnd}
		case err != nil:
			return input{kind: inputEnd, err: err}
		case b == nak:
			return input{kind: inputNak}
		case b == interrupt:
			return input{kind: inputInterrupt}
		case b == frameStart:
			return r.packet()
		}
	}
}

// packet reads the rest of a packet. No more than packetSize bytes of it are kept.
func (r *reader) packet() input {
	if r.deadline != nil {
		if err := r.deadline.SetReadDeadline(time.Now().Add(r.patience)); err != nil {
			return input{kind: inputEnd, err: err}
		}
		// Between packets gdb may be silent for hours. Should this fail, so does
		// the next read.
		defer func() { _ = r.deadline.SetReadDeadline(time.Time{}) }()
	}
	var payload []byte
	tooLong := false
	var sum byte
	for {
		b, err := r.in.ReadByte()
		if err != nil {
			return input{kind: inputEnd, err: fmt.Errorf("in the middle of a packet: %w", err)}
		}
		if b == frameEnd {
			break
		}
		if b == frameStart { // it cannot be in a payload: the packet before was cut off
			payload, sum, tooLong = payload[:0], 0, false
			continue
		}
		sum += b
		if len(payload) == packetSize {
			tooLong = true
			continue
		}
		payload = append(payload, b)
	}
	var digits [2]byte
	if _, err := io.ReadFull(r.in, digits[:]); err != nil {
		return input{kind: inputEnd, err: fmt.Errorf("in the middle of a packet: %w", err)}
	}
	want, err := parseHex(string(digits[:]))
	switch {
	case err != nil || byte(want) != sum:
		return input{kind: inputBroken}
	case tooLong:
		return input{kind: inputTooLong}
	}
	return input{kind: inputPacket, payload: unescape(payload)}
}

// unescape undoes the escapes of a payload, in place.
func unescape(b []byte) []byte {
	out := b[:0]
	for i := 0; i < len(b); i++ {
		if b[i] == escape && i+1 < len(b) {
			i++
			out = append(out, b[i]^escapeBit)
			continue
		}
		out = append(out, b[i])
	}
	return out
}

// isMark tells whether a byte has to be escaped in a reply.
func isMark(b byte) bool {
	return b == frameStart || b == frameEnd || b == escape || b == repeat
}

// frame makes a packet of a payload.
func frame(payload []byte) []byte {
	out := make([]byte, 0, len(payload)+8)
	out = append(out, frameStart)
	var sum byte
	put := func(b byte) {
		out = append(out, b)
		sum += b
	}
	for _, b := range payload {
		if isMark(b) {
			put(escape)
			b ^= escapeBit
		}
		put(b)
	}
	return append(out, frameEnd, hexDigits[sum>>4], hexDigits[sum&15])
}

const hexDigits = "0123456789abcdef"

// fitting is how many bytes of data fit into a payload of n, escapes counted.
func fitting(data []byte, n int) int {
	for i, b := range data {
		n--
		if isMark(b) {
			n--
		}
		if n < 0 {
			return i
		}
	}
	return len(data)
}
