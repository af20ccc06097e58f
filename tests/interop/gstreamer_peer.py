#!/usr/bin/python3
"""GStreamer's webrtcbin as a WHIP publisher and a WHEP player.

    gstreamer_peer.py publish URL SECRET vp8       until standard input ends
    gstreamer_peer.py watch URL FRAMES CODEC       one line of JSON: frames, width, height
"""
import json
import sys
import threading
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

ENCODERS = {
    "vp8": "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=60 ! rtpvp8pay pt=96 picture-id-mode=2",
}
CAPS = {
    "vp8": "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
    "h264": "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,"
            "packetization-mode=(string)1,profile-level-id=(string)42e01f",
}
DECODERS = {
    "vp8": "rtpvp8depay ! vp8dec",
    "h264": "rtph264depay ! h264parse ! avdec_h264",
}


class Peer:
    def __init__(self, url, secret):
        self.url, self.secret, self.posted = url, secret, False
        self.loop = GLib.MainLoop()
        self.location = None

    def run(self, pipeline):
        self.pipeline = pipeline
        bus = pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)
        self.webrtc.connect("notify::ice-gathering-state", self.on_gathering)
        self.webrtc.connect("on-negotiation-needed", lambda _: self.offer())
        pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        pipeline.set_state(Gst.State.NULL)
        if self.location:
            self.ask("DELETE", self.location)

    def on_error(self, _, message):
        error, detail = message.parse_error()
        sys.exit(f"{error.message}: {detail}")

    def offer(self):
        promise = Gst.Promise.new_with_change_func(self.on_offer, None)
        self.webrtc.emit("create-offer", None, promise)

    def on_offer(self, promise, _):
        promise.wait()
        reply = promise.get_reply()  # the offer is its own
        offer = reply.get_value("offer")
        self.webrtc.emit("set-local-description", offer, Gst.Promise.new())

    def on_gathering(self, *_):
        state = self.webrtc.get_property("ice-gathering-state")
        if state == GstWebRTC.WebRTCICEGatheringState.COMPLETE and not self.posted:
            self.posted = True
            threading.Thread(target=self.post, daemon=True).start()

    def ask(self, method, url, body=None):
        headers = {"Content-Type": "application/sdp"} if body else {}
        if self.secret:
            headers["Authorization"] = f"Bearer {self.secret}"
        request = urllib.request.Request(url, body, headers, method=method)
        return urllib.request.urlopen(request, timeout=15)

    def post(self):
        offer = self.webrtc.get_property("local-description").sdp.as_text()
        with self.ask("POST", self.url, offer.encode()) as answer:
            self.location = urllib.parse.urljoin(self.url, answer.headers["Location"])
            text = answer.read()
        _, message = GstSdp.SDPMessage.new()
        GstSdp.sdp_message_parse_buffer(text, message)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER,
                                                             message)
        self.webrtc.emit("set-remote-description", description, Gst.Promise.new())


def publish(url, secret, codec):
    peer = Peer(url, secret)
    pipeline = Gst.parse_launch(
        "webrtcbin name=w bundle-policy=max-bundle videotestsrc is-live=true pattern=ball ! "
        f"video/x-raw,width=320,height=240,framerate=15/1 ! {ENCODERS[codec]} ! {CAPS[codec]} ! w.")
    peer.webrtc = pipeline.get_by_name("w")
    transceiver = peer.webrtc.emit("get-transceiver", 0)
    transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
    threading.Thread(target=lambda: (sys.stdin.read(), peer.loop.quit()), daemon=True).start()
    peer.run(pipeline)
    print("stopped", flush=True)


def watch(url, wanted, codec):
    peer, seen = Peer(url, None), {"frames": 0}
    pipeline = Gst.Pipeline.new()
    peer.webrtc = Gst.ElementFactory.make("webrtcbin")
    peer.webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
    pipeline.add(peer.webrtc)

    def on_frame(pad, _):
        seen["frames"] += 1
        if seen["frames"] == wanted:
            structure = pad.get_current_caps().get_structure(0)
            seen["width"] = structure.get_int("width")[1]
            seen["height"] = structure.get_int("height")[1]
            peer.loop.quit()
        return Gst.PadProbeReturn.OK

    def on_pad(_, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        decoder = Gst.parse_bin_from_description(f"{DECODERS[codec]} ! fakesink name=end", True)
        pipeline.add(decoder)
        decoder.sync_state_with_parent()
        sink = decoder.get_by_name("end").get_static_pad("sink")
        sink.add_probe(Gst.PadProbeType.BUFFER, on_frame)
        pad.link(decoder.get_static_pad("sink"))

    peer.webrtc.connect("pad-added", on_pad)
    peer.webrtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY,
                     Gst.Caps.from_string(CAPS[codec]))
    peer.run(pipeline)
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    Gst.init(None)
    if sys.argv[1] == "publish":
        publish(sys.argv[2], sys.argv[3], sys.argv[4])
    else:
        watch(sys.argv[2], int(sys.argv[3]), sys.argv[4])
