/* sdp_fixtures.h - descriptions as programs of today write them. The two of Chromium were recorded,
 * the others are written in the manner of the program that is named. */
#pragma once

/* Chromium 156: a WHEP offer of audio and video, recvonly, not yet gathered to the end */
static const char chromium_offer[] =
    "v=0\r\n"
    "o=- 7483229638510093277 2 IN IP4 127.0.0.1\r\n"
    "s=-\r\n"
    "t=0 0\r\n"
    "a=group:BUNDLE 0 1\r\n"
    "a=extmap-allow-mixed\r\n"
    "a=msid-semantic: WMS\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n"
    "c=IN IP4 0.0.0.0\r\n"
    "a=rtcp:9 IN IP4 0.0.0.0\r\n"
    "a=candidate:1686706047 1 udp 2113937151 8ec0c28b-8f10-49b8-b8e0-c647f1f03d0e.local 5"
    "0082 typ host generation 0 network-cost 999\r\n"
    "a=candidate:2951730847 1 udp 2113942271 e1a08a83-4c82-443d-a10f-297ffbcf1fff.local 4"
    "7105 typ host generation 0 network-cost 999\r\n"
    "a=ice-ufrag:U3dN\r\n"
    "a=ice-pwd:qqmerySmlGSoK1AtqBcnri+w\r\n"
    "a=ice-options:trickle\r\n"
    "a=fingerprint:sha-256 79:79:61:00:4F:0F:46:FD:88:C9:BD:33:63:6E:47:54:26:5E:64:2D:68"
    ":EC:AB:E8:80:20:37:C4:43:11:C4:57\r\n"
    "a=setup:actpass\r\n"
    "a=mid:0\r\n"
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
    "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=recvonly\r\n"
    "a=rtcp-mux\r\n"
    "a=rtcp-rsize\r\n"
    "a=rtcp-xr:rcvr-rtt=all\r\n"
    "a=rtpmap:111 opus/48000/2\r\n"
    "a=rtcp-fb:111 transport-cc\r\n"
    "a=fmtp:111 minptime=10;useinbandfec=1\r\n"
    "a=rtpmap:63 red/48000/2\r\n"
    "a=fmtp:63 111/111\r\n"
    "a=rtpmap:9 G722/8000\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:13 CN/8000\r\n"
    "a=rtpmap:110 telephone-event/48000\r\n"
    "a=rtpmap:126 telephone-event/8000\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 101 35 36 37 38 102 103 104 107 108 109 "
    "114 115 116 117 39 40 41 42 43 44 45 46 47 48 118 119 120 49\r\n"
    "c=IN IP4 0.0.0.0\r\n"
    "a=rtcp:9 IN IP4 0.0.0.0\r\n"
    "a=candidate:1686706047 1 udp 2113937151 8ec0c28b-8f10-49b8-b8e0-c647f1f03d0e.local 4"
    "8713 typ host generation 0 network-cost 999\r\n"
    "a=candidate:2951730847 1 udp 2113942271 e1a08a83-4c82-443d-a10f-297ffbcf1fff.local 4"
    "0726 typ host generation 0 network-cost 999\r\n"
    "a=ice-ufrag:U3dN\r\n"
    "a=ice-pwd:qqmerySmlGSoK1AtqBcnri+w\r\n"
    "a=ice-options:trickle\r\n"
    "a=fingerprint:sha-256 79:79:61:00:4F:0F:46:FD:88:C9:BD:33:63:6E:47:54:26:5E:64:2D:68"
    ":EC:AB:E8:80:20:37:C4:43:11:C4:57\r\n"
    "a=setup:actpass\r\n"
    "a=mid:1\r\n"
    "a=extmap:14 urn:ietf:params:rtp-hdrext:toffset\r\n"
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
    "a=extmap:13 urn:3gpp:video-orientation\r\n"
    "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"
    "a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/video-content-type\r\n"
    "a=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/video-timing\r\n"
    "a=extmap:8 http://www.webrtc.org/experiments/rtp-hdrext/color-space\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
    "a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n"
    "a=recvonly\r\n"
    "a=rtcp-mux\r\n"
    "a=rtcp-rsize\r\n"
    "a=rtcp-xr:rcvr-rtt=all\r\n"
    "a=rtpmap:96 VP8/90000\r\n"
    "a=rtcp-fb:96 goog-remb\r\n"
    "a=rtcp-fb:96 transport-cc\r\n"
    "a=rtcp-fb:96 ccm fir\r\n"
    "a=rtcp-fb:96 nack\r\n"
    "a=rtcp-fb:96 nack pli\r\n"
    "a=rtpmap:97 rtx/90000\r\n"
    "a=fmtp:97 apt=96\r\n"
    "a=rtpmap:98 VP9/90000\r\n"
    "a=rtcp-fb:98 goog-remb\r\n"
    "a=rtcp-fb:98 transport-cc\r\n"
    "a=rtcp-fb:98 ccm fir\r\n"
    "a=rtcp-fb:98 nack\r\n"
    "a=rtcp-fb:98 nack pli\r\n"
    "a=fmtp:98 profile-id=0\r\n"
    "a=rtpmap:99 rtx/90000\r\n"
    "a=fmtp:99 apt=98\r\n"
    "a=rtpmap:100 VP9/90000\r\n"
    "a=rtcp-fb:100 goog-remb\r\n"
    "a=rtcp-fb:100 transport-cc\r\n"
    "a=rtcp-fb:100 ccm fir\r\n"
    "a=rtcp-fb:100 nack\r\n"
    "a=rtcp-fb:100 nack pli\r\n"
    "a=fmtp:100 profile-id=2\r\n"
    "a=rtpmap:101 rtx/90000\r\n"
    "a=fmtp:101 apt=100\r\n"
    "a=rtpmap:35 VP9/90000\r\n"
    "a=rtcp-fb:35 goog-remb\r\n"
    "a=rtcp-fb:35 transport-cc\r\n"
    "a=rtcp-fb:35 ccm fir\r\n"
    "a=rtcp-fb:35 nack\r\n"
    "a=rtcp-fb:35 nack pli\r\n"
    "a=fmtp:35 profile-id=1\r\n"
    "a=rtpmap:36 rtx/90000\r\n"
    "a=fmtp:36 apt=35\r\n"
    "a=rtpmap:37 VP9/90000\r\n"
    "a=rtcp-fb:37 goog-remb\r\n"
    "a=rtcp-fb:37 transport-cc\r\n"
    "a=rtcp-fb:37 ccm fir\r\n"
    "a=rtcp-fb:37 nack\r\n"
    "a=rtcp-fb:37 nack pli\r\n"
    "a=fmtp:37 profile-id=3\r\n"
    "a=rtpmap:38 rtx/90000\r\n"
    "a=fmtp:38 apt=37\r\n"
    "a=rtpmap:102 H264/90000\r\n"
    "a=rtcp-fb:102 goog-remb\r\n"
    "a=rtcp-fb:102 transport-cc\r\n"
    "a=rtcp-fb:102 ccm fir\r\n"
    "a=rtcp-fb:102 nack\r\n"
    "a=rtcp-fb:102 nack pli\r\n"
    "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n"
    "a=rtpmap:103 rtx/90000\r\n"
    "a=fmtp:103 apt=102\r\n"
    "a=rtpmap:104 H264/90000\r\n"
    "a=rtcp-fb:104 goog-remb\r\n"
    "a=rtcp-fb:104 transport-cc\r\n"
    "a=rtcp-fb:104 ccm fir\r\n"
    "a=rtcp-fb:104 nack\r\n"
    "a=rtcp-fb:104 nack pli\r\n"
    "a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f\r\n"
    "a=rtpmap:107 rtx/90000\r\n"
    "a=fmtp:107 apt=104\r\n"
    "a=rtpmap:108 H264/90000\r\n"
    "a=rtcp-fb:108 goog-remb\r\n"
    "a=rtcp-fb:108 transport-cc\r\n"
    "a=rtcp-fb:108 ccm fir\r\n"
    "a=rtcp-fb:108 nack\r\n"
    "a=rtcp-fb:108 nack pli\r\n"
    "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
    "a=rtpmap:109 rtx/90000\r\n"
    "a=fmtp:109 apt=108\r\n"
    "a=rtpmap:114 H264/90000\r\n"
    "a=rtcp-fb:114 goog-remb\r\n"
    "a=rtcp-fb:114 transport-cc\r\n"
    "a=rtcp-fb:114 ccm fir\r\n"
    "a=rtcp-fb:114 nack\r\n"
    "a=rtcp-fb:114 nack pli\r\n"
    "a=fmtp:114 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f\r\n"
    "a=rtpmap:115 rtx/90000\r\n"
    "a=fmtp:115 apt=114\r\n"
    "a=rtpmap:116 H264/90000\r\n"
    "a=rtcp-fb:116 goog-remb\r\n"
    "a=rtcp-fb:116 transport-cc\r\n"
    "a=rtcp-fb:116 ccm fir\r\n"
    "a=rtcp-fb:116 nack\r\n"
    "a=rtcp-fb:116 nack pli\r\n"
    "a=fmtp:116 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f\r\n"
    "a=rtpmap:117 rtx/90000\r\n"
    "a=fmtp:117 apt=116\r\n"
    "a=rtpmap:39 H264/90000\r\n"
    "a=rtcp-fb:39 goog-remb\r\n"
    "a=rtcp-fb:39 transport-cc\r\n"
    "a=rtcp-fb:39 ccm fir\r\n"
    "a=rtcp-fb:39 nack\r\n"
    "a=rtcp-fb:39 nack pli\r\n"
    "a=fmtp:39 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=4d001f\r\n"
    "a=rtpmap:40 rtx/90000\r\n"
    "a=fmtp:40 apt=39\r\n"
    "a=rtpmap:41 H264/90000\r\n"
    "a=rtcp-fb:41 goog-remb\r\n"
    "a=rtcp-fb:41 transport-cc\r\n"
    "a=rtcp-fb:41 ccm fir\r\n"
    "a=rtcp-fb:41 nack\r\n"
    "a=rtcp-fb:41 nack pli\r\n"
    "a=fmtp:41 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=f4001f\r\n"
    "a=rtpmap:42 rtx/90000\r\n"
    "a=fmtp:42 apt=41\r\n"
    "a=rtpmap:43 H264/90000\r\n"
    "a=rtcp-fb:43 goog-remb\r\n"
    "a=rtcp-fb:43 transport-cc\r\n"
    "a=rtcp-fb:43 ccm fir\r\n"
    "a=rtcp-fb:43 nack\r\n"
    "a=rtcp-fb:43 nack pli\r\n"
    "a=fmtp:43 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=f4001f\r\n"
    "a=rtpmap:44 rtx/90000\r\n"
    "a=fmtp:44 apt=43\r\n"
    "a=rtpmap:45 AV1/90000\r\n"
    "a=rtcp-fb:45 goog-remb\r\n"
    "a=rtcp-fb:45 transport-cc\r\n"
    "a=rtcp-fb:45 ccm fir\r\n"
    "a=rtcp-fb:45 nack\r\n"
    "a=rtcp-fb:45 nack pli\r\n"
    "a=fmtp:45 level-idx=5;profile=0;tier=0\r\n"
    "a=rtpmap:46 rtx/90000\r\n"
    "a=fmtp:46 apt=45\r\n"
    "a=rtpmap:47 AV1/90000\r\n"
    "a=rtcp-fb:47 goog-remb\r\n"
    "a=rtcp-fb:47 transport-cc\r\n"
    "a=rtcp-fb:47 ccm fir\r\n"
    "a=rtcp-fb:47 nack\r\n"
    "a=rtcp-fb:47 nack pli\r\n"
    "a=fmtp:47 level-idx=5;profile=1;tier=0\r\n"
    "a=rtpmap:48 rtx/90000\r\n"
    "a=fmtp:48 apt=47\r\n"
    "a=rtpmap:118 red/90000\r\n"
    "a=rtpmap:119 rtx/90000\r\n"
    "a=fmtp:119 apt=118\r\n"
    "a=rtpmap:120 ulpfec/90000\r\n"
    "a=rtpmap:49 flexfec-03/90000\r\n"
    "a=rtcp-fb:49 goog-remb\r\n"
    "a=rtcp-fb:49 transport-cc\r\n"
    "a=fmtp:49 repair-window=10000000\r\n";

#define CHROMIUM_TRANSPORT                                                                         \
    "c=IN IP4 0.0.0.0\r\n"                                                                         \
    "a=rtcp:9 IN IP4 0.0.0.0\r\n"                                                                  \
    "a=ice-ufrag:tMg/\r\n"                                                                         \
    "a=ice-pwd:b4/3CyoAcu2jFSGkviHIcYfi\r\n"                                                       \
    "a=ice-options:trickle\r\n"                                                                    \
    "a=fingerprint:sha-256 5D:73:D6:93:97:45:DD:9C:50:D2:19:D4:D5:13:A3:E1:5F:90:7C:61:73:9A:B9:"  \
    "A4:EB:75:89:64:95:80:CC:9B\r\n"                                                               \
    "a=setup:active\r\n"
#define CHROMIUM_MAPS                                                                              \
    "a=extmap:1 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"     \
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"                    \
    "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"                                           \
    "a=recvonly\r\n"                                                                               \
    "a=rtcp-mux\r\n"                                                                               \
    "a=rtcp-rsize\r\n"
#define CHROMIUM_FEEDBACK(type)                                                                    \
    "a=rtcp-fb:" type " transport-cc\r\n"                                                          \
    "a=rtcp-fb:" type " ccm fir\r\n"                                                               \
    "a=rtcp-fb:" type " nack\r\n"                                                                  \
    "a=rtcp-fb:" type " nack pli\r\n"
#define CHROMIUM_RTX(type, rtx)                                                                    \
    "a=rtpmap:" rtx " rtx/90000\r\n"                                                               \
    "a=fmtp:" rtx " apt=" type "\r\n"
// clang-format off
#define CHROMIUM_VIDEO(mid, type, rtx)                                                             \
    "m=video 9 UDP/TLS/RTP/SAVPF " type " " rtx " 112 113 114 115 116 117\r\n"                     \
    CHROMIUM_TRANSPORT                                                                             \
    "a=mid:" mid "\r\n"                                                                            \
    CHROMIUM_MAPS                                                                                  \
    "a=rtpmap:" type " H264/90000\r\n"                                                             \
    CHROMIUM_FEEDBACK(type)                                                                        \
    "a=fmtp:" type                                                                                 \
    " level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"                  \
    CHROMIUM_RTX(type, rtx)                                                                        \
    "a=rtpmap:112 VP8/90000\r\n"                                                                   \
    CHROMIUM_FEEDBACK("112")                                                                       \
    CHROMIUM_RTX("112", "113")                                                                     \
    "a=rtpmap:114 VP9/90000\r\n"                                                                   \
    CHROMIUM_FEEDBACK("114")                                                                       \
    "a=fmtp:114 profile-id=0\r\n"                                                                  \
    CHROMIUM_RTX("114", "115")                                                                     \
    "a=rtpmap:116 AV1/90000\r\n"                                                                   \
    CHROMIUM_FEEDBACK("116")                                                                       \
    "a=fmtp:116 level-idx=5;profile=0;tier=0\r\n"                                                  \
    CHROMIUM_RTX("116", "117")
// clang-format on
#define CHROMIUM_AUDIO(mid)                                                                        \
    "m=audio 9 UDP/TLS/RTP/SAVPF 118\r\n" CHROMIUM_TRANSPORT "a=mid:" mid "\r\n"                   \
    "a=extmap:1 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"     \
    "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"                                           \
    "a=recvonly\r\n"                                                                               \
    "a=rtcp-mux\r\n"                                                                               \
    "a=rtcp-rsize\r\n"                                                                             \
    "a=rtpmap:118 opus/48000/2\r\n"                                                                \
    "a=rtcp-fb:118 transport-cc\r\n"                                                               \
    "a=fmtp:118 minptime=10;useinbandfec=1\r\n"

/* Chromium 156: its answer to our offer of all slots, of which the second has another profile */
// clang-format off
static const char chromium_answer[] =
    "v=0\r\n"
    "o=- 6729059675192848936 2 IN IP4 127.0.0.1\r\n"
    "s=-\r\n"
    "t=0 0\r\n"
    "a=group:BUNDLE 0 1 2 3 4 5 6 7 8 9\r\n"
    "a=extmap-allow-mixed\r\n"
    "a=msid-semantic: WMS\r\n"
    CHROMIUM_VIDEO("0", "96", "97") CHROMIUM_VIDEO("1", "98", "99")
    CHROMIUM_VIDEO("2", "96", "97") CHROMIUM_VIDEO("3", "96", "97")
    CHROMIUM_VIDEO("4", "96", "97") CHROMIUM_VIDEO("5", "96", "97")
    CHROMIUM_VIDEO("6", "96", "97") CHROMIUM_VIDEO("7", "96", "97")
    CHROMIUM_AUDIO("8") CHROMIUM_AUDIO("9");
// clang-format on

/* Firefox: recvonly audio and video */
static const char firefox_offer[] =
    "v=0\r\n"
    "o=mozilla...THIS_IS_SDPARTA-99.0 5834671892037163528 0 IN IP4 0.0.0.0\r\n"
    "s=-\r\n"
    "t=0 0\r\n"
    "a=fingerprint:sha-256 9D:6B:7A:2E:0C:51:B4:E8:63:0F:AA:17:D2:9C:48:5E:77:F1:BC:02:93"
    ":6E:D8:14:2A:C5:39:80:EB:46:1D:F3\r\n"
    "a=group:BUNDLE 0 1\r\n"
    "a=ice-options:trickle\r\n"
    "a=msid-semantic:WMS *\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 109 9 0 8 101\r\n"
    "c=IN IP4 0.0.0.0\r\n"
    "a=recvonly\r\n"
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    "a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level\r\n"
    "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1\r\n"
    "a=fmtp:101 0-15\r\n"
    "a=ice-pwd:5f4a3d1b2c6e7f8091a2b3c4d5e6f708\r\n"
    "a=ice-ufrag:1b2c3d4e\r\n"
    "a=mid:0\r\n"
    "a=rtcp-mux\r\n"
    "a=rtpmap:109 opus/48000/2\r\n"
    "a=rtpmap:9 G722/8000/1\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000/1\r\n"
    "a=setup:actpass\r\n"
    "a=ssrc:2371048223 cname:{6f1c2f38-7a0e-4b8a-9d7b-0d3a7f2f9e11}\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 120 124 121 125 126 127 97 98 105 106 103 104 99 100 123"
    " 122 119\r\n"
    "c=IN IP4 0.0.0.0\r\n"
    "a=recvonly\r\n"
    "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
    "a=extmap:5 urn:ietf:params:rtp-hdrext:toffset\r\n"
    "a=extmap:6/recvonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"
    "a=extmap:7 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=fmtp:126 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1\r\n"
    "a=fmtp:97 profile-level-id=42e01f;level-asymmetry-allowed=1\r\n"
    "a=fmtp:105 profile-level-id=42001f;level-asymmetry-allowed=1;packetization-mode=1\r\n"
    "a=fmtp:103 profile-level-id=42001f;level-asymmetry-allowed=1\r\n"
    "a=fmtp:120 max-fs=12288;max-fr=60\r\n"
    "a=fmtp:124 apt=120\r\n"
    "a=fmtp:121 max-fs=12288;max-fr=60\r\n"
    "a=fmtp:125 apt=121\r\n"
    "a=fmtp:127 apt=126\r\n"
    "a=fmtp:98 apt=97\r\n"
    "a=fmtp:106 apt=105\r\n"
    "a=fmtp:104 apt=103\r\n"
    "a=fmtp:100 apt=99\r\n"
    "a=fmtp:119 apt=122\r\n"
    "a=ice-pwd:5f4a3d1b2c6e7f8091a2b3c4d5e6f708\r\n"
    "a=ice-ufrag:1b2c3d4e\r\n"
    "a=mid:1\r\n"
    "a=rtcp-fb:120 nack\r\n"
    "a=rtcp-fb:120 nack pli\r\n"
    "a=rtcp-fb:120 ccm fir\r\n"
    "a=rtcp-fb:120 goog-remb\r\n"
    "a=rtcp-fb:120 transport-cc\r\n"
    "a=rtcp-fb:126 nack\r\n"
    "a=rtcp-fb:126 nack pli\r\n"
    "a=rtcp-fb:126 ccm fir\r\n"
    "a=rtcp-fb:126 goog-remb\r\n"
    "a=rtcp-fb:126 transport-cc\r\n"
    "a=rtcp-fb:97 nack\r\n"
    "a=rtcp-fb:97 nack pli\r\n"
    "a=rtcp-fb:105 nack\r\n"
    "a=rtcp-fb:105 nack pli\r\n"
    "a=rtcp-mux\r\n"
    "a=rtcp-rsize\r\n"
    "a=rtpmap:120 VP8/90000\r\n"
    "a=rtpmap:124 rtx/90000\r\n"
    "a=rtpmap:121 VP9/90000\r\n"
    "a=rtpmap:125 rtx/90000\r\n"
    "a=rtpmap:126 H264/90000\r\n"
    "a=rtpmap:127 rtx/90000\r\n"
    "a=rtpmap:97 H264/90000\r\n"
    "a=rtpmap:98 rtx/90000\r\n"
    "a=rtpmap:105 H264/90000\r\n"
    "a=rtpmap:106 rtx/90000\r\n"
    "a=rtpmap:103 H264/90000\r\n"
    "a=rtpmap:104 rtx/90000\r\n"
    "a=rtpmap:99 AV1/90000\r\n"
    "a=rtpmap:100 rtx/90000\r\n"
    "a=rtpmap:123 ulpfec/90000\r\n"
    "a=rtpmap:122 red/90000\r\n"
    "a=rtpmap:119 rtx/90000\r\n"
    "a=setup:actpass\r\n"
    "a=ssrc:1844912903 cname:{6f1c2f38-7a0e-4b8a-9d7b-0d3a7f2f9e11}\r\n";

/* Firefox: its answer, with pictures only and of one codec */
#define FIREFOX_VIDEO(mid)                                                                         \
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n"                                                        \
    "c=IN IP4 0.0.0.0\r\n"                                                                         \
    "a=recvonly\r\n"                                                                               \
    "a=extmap:1 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"     \
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"                    \
    "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"                                           \
    "a=fmtp:96 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1\r\n"         \
    "a=fmtp:97 apt=96\r\n"                                                                         \
    "a=ice-pwd:2f7d6c1e9b0a48536271809f3e4d5c6b\r\n"                                               \
    "a=ice-ufrag:c0ffee42\r\n"                                                                     \
    "a=mid:" mid "\r\n"                                                                            \
    "a=rtcp-fb:96 nack\r\n"                                                                        \
    "a=rtcp-fb:96 nack pli\r\n"                                                                    \
    "a=rtcp-fb:96 ccm fir\r\n"                                                                     \
    "a=rtcp-fb:96 transport-cc\r\n"                                                                \
    "a=rtcp-mux\r\n"                                                                               \
    "a=rtcp-rsize\r\n"                                                                             \
    "a=rtpmap:96 H264/90000\r\n"                                                                   \
    "a=rtpmap:97 rtx/90000\r\n"                                                                    \
    "a=setup:active\r\n"                                                                           \
    "a=ssrc:3921187402 cname:{0b9a8c7d-6e5f-4a3b-2c1d-0e9f8a7b6c5d}\r\n"
#define FIREFOX_REFUSED(kind, mid)                                                                 \
    "m=" kind " 0 UDP/TLS/RTP/SAVPF 120\r\n"                                                       \
    "c=IN IP4 0.0.0.0\r\n"                                                                         \
    "a=inactive\r\n"                                                                               \
    "a=mid:" mid "\r\n"                                                                            \
    "a=rtpmap:120 VP8/90000\r\n"
static const char firefox_answer[] =
    "v=0\r\n"
    "o=mozilla...THIS_IS_SDPARTA-99.0 7203948871625534811 0 IN IP4 0.0.0.0\r\n"
    "s=-\r\n"
    "t=0 0\r\n"
    "a=fingerprint:sha-256 9D:6B:7A:2E:0C:51:B4:E8:63:0F:AA:17:D2:9C:48:5E:77:F1:BC:02:93"
    ":6E:D8:14:2A:C5:39:80:EB:46:1D:F3\r\n"
    "a=group:BUNDLE 0 1 2 3 4 5 6 7\r\n"
    "a=ice-options:trickle\r\n"
    "a=msid-semantic:WMS *\r\n" FIREFOX_VIDEO("0") FIREFOX_VIDEO("1") FIREFOX_VIDEO("2")
        FIREFOX_VIDEO("3") FIREFOX_VIDEO("4") FIREFOX_VIDEO("5") FIREFOX_VIDEO("6")
            FIREFOX_VIDEO("7") FIREFOX_REFUSED("audio", "8") FIREFOX_REFUSED("audio", "9");

/* GStreamer webrtcbin with bare caps: no fmtp, no rtx, no extensions */
static const char gstreamer_offer[] =
    "v=0\r\n"
    "o=- 1423986694838374917 0 IN IP4 0.0.0.0\r\n"
    "s=-\r\n"
    "t=0 0\r\n"
    "a=ice-options:trickle\r\n"
    "a=group:BUNDLE video0\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
    "c=IN IP4 0.0.0.0\r\n"
    "a=setup:actpass\r\n"
    "a=ice-ufrag:8kqFvGCkYbPmaT0mBbJmLz1ELVkTHlVR\r\n"
    "a=ice-pwd:3dpKr7tLGvZ0ChmMZRYqSJkGjYJyZ8uA\r\n"
    "a=rtcp-mux\r\n"
    "a=rtcp-rsize\r\n"
    "a=recvonly\r\n"
    "a=rtpmap:96 H264/90000\r\n"
    "a=rtcp-fb:96 nack\r\n"
    "a=rtcp-fb:96 nack pli\r\n"
    "a=rtcp-fb:96 ccm fir\r\n"
    "a=framerate:30\r\n"
    "a=mid:video0\r\n"
    "a=fingerprint:sha-256 4C:1B:5A:22:97:0D:E3:6F:80:B1:C4:58:3A:DE:19:F7:62:0B:95:A8:4E"
    ":D3:71:2C:06:BF:E9:34:8D:50:C7:1A\r\n";

/* aiortc: three fingerprints, srflx candidates */
static const char aiortc_offer[] =
    "v=0\r\n"
    "o=- 3926584712 3926584712 IN IP4 0.0.0.0\r\n"
    "s=-\r\n"
    "t=0 0\r\n"
    "a=group:BUNDLE 0\r\n"
    "a=msid-semantic:WMS *\r\n"
    "m=video 47213 UDP/TLS/RTP/SAVPF 97 98 99 100 101 102\r\n"
    "c=IN IP4 192.0.2.77\r\n"
    "a=recvonly\r\n"
    "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
    "a=mid:0\r\n"
    "a=msid:b1c2d3e4-0001-4a5b-8c9d-e0f1a2b3c4d5 5f6e7d8c-0002-4b3a-9291-807f6e5d4c3b\r\n"
    "a=rtcp:9 IN IP4 0.0.0.0\r\n"
    "a=rtcp-mux\r\n"
    "a=ssrc-group:FID 1804289383 846930886\r\n"
    "a=ssrc:1804289383 cname:7d3c2b1a-1122-4333-8444-555566667777\r\n"
    "a=ssrc:846930886 cname:7d3c2b1a-1122-4333-8444-555566667777\r\n"
    "a=rtpmap:97 VP8/90000\r\n"
    "a=rtcp-fb:97 nack\r\n"
    "a=rtcp-fb:97 nack pli\r\n"
    "a=rtcp-fb:97 goog-remb\r\n"
    "a=rtpmap:98 rtx/90000\r\n"
    "a=fmtp:98 apt=97\r\n"
    "a=rtpmap:99 H264/90000\r\n"
    "a=rtcp-fb:99 nack\r\n"
    "a=rtcp-fb:99 nack pli\r\n"
    "a=rtcp-fb:99 goog-remb\r\n"
    "a=fmtp:99 packetization-mode=1;level-asymmetry-allowed=1;profile-level-id=42001f\r\n"
    "a=rtpmap:100 rtx/90000\r\n"
    "a=fmtp:100 apt=99\r\n"
    "a=rtpmap:101 H264/90000\r\n"
    "a=rtcp-fb:101 nack\r\n"
    "a=rtcp-fb:101 nack pli\r\n"
    "a=rtcp-fb:101 goog-remb\r\n"
    "a=fmtp:101 packetization-mode=1;level-asymmetry-allowed=1;profile-level-id=42e01f\r\n"
    "a=rtpmap:102 rtx/90000\r\n"
    "a=fmtp:102 apt=101\r\n"
    "a=candidate:4f3e2d1c0b9a8f7e6d5c4b3a29180706 1 udp 2130706431 192.0.2.77 47213 typ host\r\n"
    "a=candidate:9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d 1 udp 1694498815 198.51.100.9 47213 typ"
    " srflx raddr 192.0.2.77 rport 47213\r\n"
    "a=end-of-candidates\r\n"
    "a=ice-ufrag:WqTe\r\n"
    "a=ice-pwd:NfQ3eMzYx1p0aWd9SgLr7C\r\n"
    "a=fingerprint:sha-256 B7:02:5E:91:3C:A8:F6:4D:10:7B:E2:99:C5:2F:86:D1:04:AE:53:7A:CB"
    ":18:E9:62:3D:F0:8C:45:B6:1E:97:2A\r\n"
    "a=fingerprint:sha-384 01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89"
    ":AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF\r\n"
    "a=fingerprint:sha-512 01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89"
    ":AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01"
    ":23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF\r\n"
    "a=setup:actpass\r\n";

/* libdatachannel, which OBS is built on: transport at session level */
static const char libdatachannel_offer[] =
    "v=0\r\n"
    "o=rtc 2871994531 0 IN IP4 127.0.0.1\r\n"
    "s=-\r\n"
    "t=0 0\r\n"
    "a=group:BUNDLE video\r\n"
    "a=group:LS video\r\n"
    "a=msid-semantic:WMS *\r\n"
    "a=setup:actpass\r\n"
    "a=ice-ufrag:GxQv\r\n"
    "a=ice-pwd:Zc5nJ8tYbKe1WmLq0RfHuD\r\n"
    "a=ice-options:ice2,trickle\r\n"
    "a=fingerprint:sha-256 E4:5D:18:A7:3B:90:CF:62:0E:81:F9:54:2D:B3:7C:16:98:EA:41:05:DC"
    ":6F:B2:37:89:1A:C0:5E:F4:73:2B:AD\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
    "c=IN IP4 0.0.0.0\r\n"
    "a=mid:video\r\n"
    "a=recvonly\r\n"
    "a=rtcp-mux\r\n"
    "a=rtpmap:96 H264/90000\r\n"
    "a=rtcp-fb:96 nack\r\n"
    "a=rtcp-fb:96 nack pli\r\n"
    "a=rtcp-fb:96 goog-remb\r\n"
    "a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1\r\n";
