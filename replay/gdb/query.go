package gdb

import (
	"strings"
)

// supported is what qSupported is answered with.
const supported = "PacketSize=4000;QStartNoAckMode+;qXfer:features:read+;qXfer:auxv:read+;qXfer:exec-file:read+;" +
	"qXfer:libraries-svr4:read+;qXfer:threads:read+;ReverseStep+;ReverseContinue+;swbreak+;hwbreak+;vContSupported+"

// query answers the packets that begin with q.
func (c *client) query(p string) string {
	name, arg, _ := strings.Cut(p, ":")
	switch name {
	case "qSupported":
		c.takeFeatures(arg)
		return supported
	case "qXfer":
		return c.transfer(arg)
	case "qAttached":
		return "1" // leaving gdb must not end the process
	case "qC":
		return "QC" + threadText(c.current())
	case "qfThreadInfo":
		return c.threadInfo()
	case "qsThreadInfo":
		return "l"
	case "qSymbol":
		return replyOK // no address of a symbol is wanted
	}
	if arg, ok := strings.CutPrefix(p, "qThreadExtraInfo,"); ok {
		return c.threadExtra(arg)
	}
	if arg, ok := strings.CutPrefix(p, "qRcmd,"); ok {
		return c.monitor(arg)
	}
	return ""
}

// takeFeatures notes which kinds of stop reply the client knows.
func (c *client) takeFeatures(arg string) {
	for f := range strings.SplitSeq(arg, ";") {
		switch name, ok := strings.CutSuffix(f, "+"); name {
		case "swbreak", "hwbreak":
			c.features[name] = ok
		}
	}
}

// transfer answers qXfer with a part of an object: "object:read:annex:offset,length".
func (c *client) transfer(arg string) string {
	object, rest, _ := strings.Cut(arg, ":")
	op, rest, _ := strings.Cut(rest, ":")
	annex, span, _ := strings.Cut(rest, ":")
	offset, length, err := twoHex(span)
	var data string
	switch object {
	case "features":
		if annex == "target.xml" {
			data = c.target.xml()
		}
	case "auxv":
		data = string(c.m.Auxv())
	case "exec-file":
		data = c.m.Program().Path
	case "libraries-svr4":
		data = c.librariesXML()
	case "threads":
		data = c.threadsXML()
	default:
		return ""
	}
	switch {
	case op != "read":
		return ""
	case data == "":
		return errAnnex
	case err != nil || offset > uint64(len(data)):
		return errInvalid
	}
	part := data[offset:]
	part = part[:min(uint64(len(part)), length, packetSize)]
	part = part[:fitting([]byte(part), packetSize-1)]
	if offset+uint64(len(part)) == uint64(len(data)) {
		return "l" + part
	}
	return "m" + part
}
